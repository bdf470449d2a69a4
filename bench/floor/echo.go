package floor

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// lineBytes is the size of a connection's buffer. A longer line is passed on in
// pieces of that size.
const lineBytes = 512

// An Echo writes back each line that it reads, with one goroutine for each
// connection. Its zero value is ready, and has no state.
type Echo struct{}

// Serve answers the connections of l until ctx is done, and closes l. It returns nil
// then, with all its goroutines ended, and otherwise the error that l ended with.
func (Echo) Serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, nil, func(c net.Conn) error {
		in := bufio.NewReaderSize(c, lineBytes)
		for {
			line, err := readLine(in)
			if err != nil {
				return err
			}
			if _, err := c.Write(line); err != nil {
				return err
			}
		}
	})
}

// readLine returns the next line with its end, or a piece of one that is longer than
// the buffer. It is valid until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return line, err
}

// serve calls handle for each connection of l, on a goroutine of its own, and closes
// the connection after it. The end of ctx or of l closes l and all connections; serve
// then calls ending, if that is not nil, and returns when all handlers have.
func serve(ctx context.Context, l net.Listener, ending func(), handle func(net.Conn) error) error {
	var mu sync.Mutex
	conns := make(map[net.Conn]bool)
	closed := false
	closeAll := func() {
		mu.Lock()
		defer mu.Unlock()
		closed = true
		for c := range conns {
			c.Close()
		}
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer closeAll()
	if ending != nil {
		defer ending()
	}
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			l.Close()
			return err
		}
		mu.Lock()
		if closed {
			c.Close()
		}
		conns[c] = true
		mu.Unlock()
		all.Go(func() {
			handle(c) // the connection ends, whatever the reason
			c.Close()
			mu.Lock()
			delete(conns, c)
			mu.Unlock()
		})
	}
}
