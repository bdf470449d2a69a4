package portal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/service"
)

// answer answers a request of the Server, on a goroutine of its own: the reader
// waits for nothing.
func (p *Portal) answer(a *attachment, f *link.Request) {
	select {
	case p.requests <- struct{}{}:
	default:
		a.conn.Send(&link.Reply{ID: f.ID, Err: "the Portal works on too many requests", Message: message.New("busy")})
		return
	}
	p.goLinking(func() {
		defer func() { <-p.requests }()
		reply := &link.Reply{ID: f.ID}
		var err error
		ctx, cancel := context.WithTimeout(p.linkCtx, requestTime)
		defer cancel()
		if reply.Message, err = p.doRequest(ctx, f.Message); err != nil {
			reply.Err, reply.Message = err.Error(), message.New("error")
		}
		if err := a.conn.Send(reply); err != nil {
			p.log.Debug("request cannot be answered", "name", f.Message.Name, "err", err)
		}
	})
}

// doRequest carries out a request of the Server:
//
//	services             {services: [{name, owner, address, state, error}]}
//	service [name, on]   starts or stops a service
//	status               {name, game, sessions, services, plugins: [{name, error}], ignored}
//
//	client [number]      what the client of that session tells of its connection: see
//	                     Describer; and services_tls, the addresses of services with TLS
//
// Sessions is their number. The lists end where a message is full.
func (p *Portal) doRequest(ctx context.Context, m message.Message) (message.Message, error) {
	switch name := message.CanonicalName(m.Name); name {
	case "services":
		return message.New(name).With("services", listServices(p.Status().Services)), nil
	case "service":
		service, ok := m.ArgText(0)
		if !ok || len(m.Args) != 2 {
			return m, errors.New("the arguments are a service's name and whether it is to run")
		}
		switch m.Args[1] {
		case true:
			return message.New(name), p.StartService(service)
		case false:
			return message.New(name), p.StopService(service)
		}
		return m, errors.New("the second argument is true or false")
	case "status":
		st := p.Status()
		plugins := []any{}
		for _, pl := range st.Plugins[:min(len(st.Plugins), maxListed)] {
			plugins = append(plugins, map[string]any{"name": pl.Name, "error": cut(pl.Error, maxCause)})
		}
		return message.New(name).With("name", st.Name).With("game", st.Game).With("sessions", len(st.Sessions)).
			With("services", listServices(st.Services)).With("plugins", plugins).With("ignored", int64(st.Ignored)), nil
	case "client":
		if len(m.Args) != 1 {
			return m, errors.New("the argument is a session's number")
		}
		n, _ := m.Args[0].(int64)
		return p.describe(ctx, uint64(max(n, 0)))
	default:
		return m, fmt.Errorf("the Portal knows no request %q", name)
	}
}

// describe asks the client of a session what it knows of its connection.
func (p *Portal) describe(ctx context.Context, number uint64) (message.Message, error) {
	reply := message.New("client")
	list := p.list()
	i := slices.IndexFunc(list, func(s *Session) bool { return s.number == number })
	if i < 0 {
		return reply, fmt.Errorf("there is no session %d", number)
	}
	s := list[i]
	if d, ok := s.client.(Describer); ok {
		if err := service.Guard(func() error { reply.Kwargs = d.Describe(ctx); return nil }); err != nil {
			s.logger().Error("client cannot be described", service.ErrAttr(err))
			return reply, errors.New("the session's protocol has failed")
		}
	}
	secure := []any{}
	for _, st := range p.Status().Services {
		if strings.HasPrefix(st.Name, s.kind.protocol+"s:") && st.State == StateRunning {
			secure = append(secure, st.Addr)
		}
	}
	reply = reply.With("services_tls", secure)
	return reply, reply.Check()
}

// requestTime is how long the answer to a request may take.
const requestTime = 5 * time.Second

// Bounds of a reply, so that it is within the limits of a message.
const (
	maxListed = 200
	maxCause  = 1 << 10
)

func listServices(list []ServiceStatus) []any {
	out := []any{}
	for _, s := range list[:min(len(list), maxListed)] {
		out = append(out, map[string]any{
			"name": s.Name, "owner": s.Owner, "address": s.Addr, "state": s.State, "error": cut(s.Error, maxCause),
		})
	}
	return out
}
