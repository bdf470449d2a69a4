package portal_test

import (
	"crypto/tls"
	"errors"
	"fmt"

	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
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

// All that is wrong with a Config is reported at once.
func ExampleNew() {
	_, err := portal.New(portal.Config{
		OutputFuncs: map[string]map[string]portal.OutputFunc{"telnet": {
			"text":      appendWeather, // the protocol's own
			"the rain":  appendWeather,
			"sunshine":  nil,
			"wind.from": appendWeather, // as it is to be
		}},
	})
	fmt.Println(err)
	// Output:
	// portal: Config.Listener is nil: Servers have nowhere to attach
	// portal: outputfunc "sunshine" of telnet is nil
	// portal: outputfunc "text" of telnet: the protocol itself encodes these
	// portal: outputfunc "the rain" of telnet: not a valid message name
}

// An outputfunc of the game's own makes a line for telnet of a message that
// programs take as it is.
func ExampleOutputFunc() {
	cfg := portal.Config{
		Listener:    pipe.Listen(),
		OutputFuncs: map[string]map[string]portal.OutputFunc{"telnet": {"weather": appendWeather}},
	}
	if _, err := portal.New(cfg); err != nil {
		fmt.Println(err)
		return
	}

	// What the Portal does for all telnet clients that can show the same:
	caps := session.CapsOf(session.Info{}, session.Prefs{})
	line, err := appendWeather(nil, message.New("weather", "rain"), caps, message.Options{})
	fmt.Printf("%q %v\n", line, err)
	_, err = appendWeather(nil, message.New("weather"), caps, message.Options{})
	fmt.Println(err)
	// Output:
	// "Outside: rain.\r\n" <nil>
	// weather: no text
}

func appendWeather(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	sky, ok := m.ArgText(0)
	if !ok {
		return dst, fmt.Errorf("%s: no text", m.Name)
	}
	return fmt.Appendf(dst, "Outside: %s.\r\n", sky), nil
}

// Limits that are left out have their defaults.
func ExamplePortal_Limits() {
	p, err := portal.New(portal.Config{Listener: pipe.Listen(), Limits: portal.Limits{Sessions: 100, WriteStall: -1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	l := p.Limits()
	fmt.Println(l.Sessions, l.LineBytes, l.WriteStall < 0)
	// Output: 100 8192 true
}

// One protocol serves a plain port and one for TLS.
func ExampleListenTLS() {
	var certificate tls.Certificate // as tls.LoadX509KeyPair returns it
	plugin := portal.Plugin{Name: "lines", Start: func(p *portal.Portal) error {
		return errors.Join(
			p.AddService(portal.Listen("line", ":6666", lineProtocol{})),
			p.AddService(portal.ListenTLS("line", ":6667", lineProtocol{}, &tls.Config{Certificates: []tls.Certificate{certificate}})),
		)
	}}
	p, err := portal.New(portal.Config{Listener: pipe.Listen(), Plugins: []portal.Plugin{plugin}})
	if err == nil {
		err = plugin.Start(p) // as Run does
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Status().Services {
		fmt.Println(s.Name, s.State)
	}
	// Output:
	// line:6666 waiting
	// lines:6667 waiting
}

// A service that accepts connections by itself has the Portal count them.
func ExamplePortal_Admit() {
	p, err := portal.New(portal.Config{Listener: pipe.Listen(), Limits: portal.Limits{ConnectionsPerAddress: 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	release, err := p.Admit("192.0.2.7:4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = p.Admit("192.0.2.7:4712")
	fmt.Println(errors.Is(err, portal.ErrTooManyConnections))
	release()
	release, err = p.Admit("192.0.2.7:4713")
	if err == nil {
		release()
	}
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}
