//go:build !linux

package portal

import (
	"errors"
	"time"
)

// canPoll says that there are no pollers here: connections that rest keep a goroutine.
const canPoll = false

type poller struct{}

func newPoller(*Portal, time.Duration) (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) run()            {}
func (*poller) close()          {}
func (*poller) release()        {}
func (*poller) add(*Conn) bool  { return false }
func (*poller) move(*Conn) bool { return false }
func (*poller) forget(*Conn)    {}

func (*Conn) attachLocked() {}
func (*Conn) dropLocked()   {}
