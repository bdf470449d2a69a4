//go:build !unix

package floor

import (
	"errors"
	"net"
)

type socketWriter struct{}

func newSocketWriter(net.Conn) (*socketWriter, error) { return nil, errors.ErrUnsupported }

func (*socketWriter) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (*socketWriter) close()                    {}
