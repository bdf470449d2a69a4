package server

import (
	"errors"
	"fmt"

	"mudlark.dev/service"
)

// A Plugin adds services, and whatever else it needs, to a Server as it
// starts: a bridge to another program, a watcher. Start runs when the world is
// loaded and before it is played, so it must not call Do; its services run
// while the game is played and do. It must not block. A Plugin may switch
// itself off by doing nothing. What one that fails has added is removed; the
// game goes on without it, and "status" says why.
//
// A Server's plugins start anew with each Server, so a reload replaces them;
// those of a Portal (portal.Plugin) stay until a reboot.
type Plugin struct {
	Name  string
	Start func(s *Server) error
}

// AddService adds a service, to be run while the game is played. Before that
// it waits; during it it is started at once. Its context ends as the Server is
// about to end: Do then returns ErrStopped. It fails with service.ErrNameTaken
// and service.ErrStopped.
func (s *Server) AddService(svc service.Service) error { return s.services.Add(svc) }

// Setting returns the value of a setting that the game declares itself, or "".
func (s *Server) Setting(name string) string { return s.cfg.Settings[name] }

func checkPlugins(plugins []Plugin) error {
	var errs []error
	seen := make(map[string]bool)
	for i, pl := range plugins {
		switch {
		case pl.Name == "":
			errs = append(errs, fmt.Errorf("server: plugin %d has no name", i+1))
		case pl.Start == nil:
			errs = append(errs, fmt.Errorf("server: plugin %q has no Start function", pl.Name))
		case seen[pl.Name]:
			errs = append(errs, fmt.Errorf("server: there are two plugins %q", pl.Name))
		}
		seen[pl.Name] = true
	}
	return errors.Join(errs...)
}

// startPlugins runs the plugins' Start functions in order. A failure is in the
// log and the status.
func (s *Server) startPlugins() {
	for _, pl := range s.cfg.Game.ServerPlugins {
		_ = s.services.Plugin(pl.Name, func() error {
			return s.asHook("start of plugin "+pl.Name, func() error { return pl.Start(s) })
		})
	}
}

// serviceStatus returns the state of what plugins have added, and of the plugins
// that could not be started.
func (s *Server) serviceStatus() []service.Status {
	out := s.services.Status()
	for _, pl := range s.services.Plugins() {
		if pl.Error != "" {
			out = append(out, service.Status{Name: "plugin " + pl.Name, State: service.StateFailed, Error: pl.Error})
		}
	}
	return out
}
