//go:build !linux

package floor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

type poller struct{}

// NewSwarm returns an error that wraps errors.ErrUnsupported: there is no epoll here.
func NewSwarm(conns []net.Conn) (*Swarm, error) {
	for _, c := range conns {
		c.Close()
	}
	return nil, fmt.Errorf("floor: a swarm needs epoll: %w", errors.ErrUnsupported)
}

// Close closes the connections.
func (s *Swarm) Close() {}

func (s *Swarm) poll(context.Context, time.Time, func() bool, func(time.Time) (time.Time, error), func(int, []byte, time.Time) error) error {
	return errors.ErrUnsupported
}

func writeSocket(int, []byte) (int, error) { return 0, errors.ErrUnsupported }
