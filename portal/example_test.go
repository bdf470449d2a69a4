package portal_test

import (
	"fmt"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
)

// A plugin adds a protocol of its own at a port of its own.
func ExampleListen() {
	plugin := portal.Plugin{Name: "line", Start: func(p *portal.Portal) error {
		return p.AddService(portal.Listen("line", "127.0.0.1:6666", lineProtocol{}))
	}}
	p, err := portal.New(portal.Config{
		Listener: pipe.Listen(), // a game's main uses a unix socket
		Plugins:  []portal.Plugin{plugin},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := plugin.Start(p); err != nil { // p.Run does this
		fmt.Println(err)
	}
	for _, s := range p.Status().Services {
		fmt.Println(s.Name, s.Addr, s.State)
	}
	// Output: line:6666 127.0.0.1:6666 waiting
}
