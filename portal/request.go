package portal

import (
	"errors"
	"fmt"

	"mudlark.dev/link"
	"mudlark.dev/message"
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
		if reply.Message, err = p.doRequest(f.Message); err != nil {
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
// Sessions is their number. The lists end where a message is full.
func (p *Portal) doRequest(m message.Message) (message.Message, error) {
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
	default:
		return m, fmt.Errorf("the Portal knows no request %q", name)
	}
}

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
