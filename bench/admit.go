package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"mudlark.dev/bench/floor"
)

// connectTo makes n connections to the yardstick of that name. Nothing is left to be
// read from them.
func connectTo(ctx context.Context, name, addr string, n int) ([]net.Conn, error) {
	return connectAll(ctx, addr, n, func(c net.Conn, _ int) error {
		if name != "hall" {
			return nil
		}
		got := make([]byte, len(floor.HallGreeting))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != floor.HallGreeting {
			return fmt.Errorf("the hall greets with %q: %w", got, errors.Join(err, floor.ErrAnswer))
		}
		return nil
	})
}

// admitAll has n players log in to the game of this package at addr, each in the room
// of its number that room returns, with the coin of its own number. Nothing is left to
// be read from their connections.
func admitAll(ctx context.Context, addr string, n int, room func(i int) int) ([]net.Conn, error) {
	return connectAll(ctx, addr, n, func(c net.Conn, i int) error { return admit(c, i, room(i)) })
}

func connectAll(ctx context.Context, addr string, n int, prepare func(c net.Conn, i int) error) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range conns {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", addr)
			if err == nil {
				conns[i] = c
				c.SetDeadline(time.Now().Add(patience))
				err = prepare(c, i)
				c.SetDeadline(time.Time{})
			}
			if err != nil {
				cancel(fmt.Errorf("player %d: %w", i+1, err))
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
		return nil, err
	}
	return conns, nil
}

// admit logs player i in.
func admit(c net.Conn, i, room int) error {
	place := number(room) + " " + number(i)
	for _, step := range []struct{ line, done string }{
		{"enter " + playerName("Bench", i), "Welcome, "},
		{"seat " + place, "seated " + place + "\r\n"},
	} {
		if err := ask(c, step.line, step.done); err != nil {
			return err
		}
	}
	return nil
}

// ask types a line and reads until done has come.
func ask(c net.Conn, line, done string) error {
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	var tn telnet
	var text []byte
	buf := make([]byte, 4<<10)
	for !bytes.Contains(text, []byte(done)) {
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("to %q came %q: %w", line, text, err)
		}
		text = append(text, tn.decode(buf[:n])...)
		if len(tn.answers) > 0 {
			if _, err := c.Write(tn.answers); err != nil {
				return err
			}
			tn.answers = tn.answers[:0]
		}
	}
	return nil
}

// swarmOf makes a Swarm of connections, or passes on why there are none.
func swarmOf(conns []net.Conn, err error) (*floor.Swarm, error) {
	if err != nil {
		return nil, err
	}
	return floor.NewSwarm(conns)
}
