package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// FileName is the name of the settings file in a game's folder.
const FileName = "mudlark.toml"

// A Config holds all settings. Load fills it; Default has the defaults.
type Config struct {
	Game   Game
	Telnet Telnet
	Reload Reload
	Store  Store
	Limits Limits
	Portal Portal
	Server Server
	Admin  Admin
	Log    Log

	Own map[string]string // what the game declares itself, by name: all of them are there
}

// Game is what the game says of itself.
type Game struct {
	Name string // "" means the name in the game's code
}

// Telnet is the telnet service.
type Telnet struct {
	Listen     []string      // host:port and after spaces what is other there than in Options: see Port; none means no telnet
	Options    []string      // "mxp" or "+mxp" switches an option on, "-mxp" off
	Charset    string        // of clients that tell none
	KeepAlive  time.Duration // a client is sent something after so long; 0 is never
	PlainLogin bool          // programs may send passwords in messages without TLS
	TLSListen  []string      // as Listen, for TLS
	TLSCert    string        // the file of the certificate, in the game's folder if not absolute; "" means one of the game's own
	TLSKey     string        // the file of its key; set if and only if TLSCert is
}

// Reload is how the Server is replaced.
type Reload struct {
	Build    []string      // the command that builds the game, and its arguments
	BuildSet bool          // Build was set; set and empty means that nothing is built
	Trial    time.Duration // a new build that dies within it gives way to the one before; 0 is off
}

// Store is where the game is kept.
type Store struct {
	Durability string // "process" or "power"
}

// Limits are what one client, or all, may do. 0 is off, except in LineBytes.
type Limits struct {
	ConnectionsPerSecond  int
	ConnectionsPerAddress int // open at once
	MessagesPerSecond     int // of one session
	LineBytes             int // from 64 to 65536
	LoginFailures         int // of one address within 5 minutes
	AccountCreations      int // of one address within 10 minutes
}

// Portal is the process that holds the connections.
type Portal struct {
	RenderCache    int            // bytes that are kept of how texts are encoded; 0 means none
	Strict         bool           // a service or plugin that fails at the start ends the Portal
	TrustedProxies []netip.Prefix // those whose connections begin with a PROXY header; no address is an IPv4-mapped one
}

// Server is the process that plays the game.
type Server struct {
	Hang time.Duration // a loop that does not answer for so long is killed; 0 is never
	Slow time.Duration // a command that takes longer is logged; 0 is never

	SlowTurn time.Duration // a turn that takes longer is kept for a while; 0 is never
}

// Admin is what operators and their programs ask by HTTP.
type Admin struct {
	Addr string // host:port on the loopback interface; "" means nowhere
}

// Log is what is logged.
type Log struct {
	Level slog.Level
}
