package telnet

import "fmt"

// A Command is the byte after IAC. RFC 854, "TELNET COMMAND STRUCTURE"; EOR is
// from RFC 885.
type Command byte

// The commands.
const (
	EOR  Command = 239
	SE   Command = 240
	NOP  Command = 241
	DM   Command = 242
	BRK  Command = 243
	IP   Command = 244
	AO   Command = 245
	AYT  Command = 246
	EC   Command = 247
	EL   Command = 248
	GA   Command = 249
	SB   Command = 250
	WILL Command = 251
	WONT Command = 252
	DO   Command = 253
	DONT Command = 254
	IAC  Command = 255
)

var commandNames = [...]string{
	"EOR", "SE", "NOP", "DM", "BRK", "IP", "AO", "AYT", "EC", "EL", "GA", "SB", "WILL", "WONT", "DO", "DONT", "IAC",
}

// String returns the command's name, or its number.
func (c Command) String() string {
	if c >= EOR {
		return commandNames[c-EOR]
	}
	return fmt.Sprintf("command %d", byte(c))
}

// An Option is the number of a telnet option.
type Option byte

// The options that this package knows by name.
const (
	Echo       Option = 1  // RFC 857
	SGA        Option = 3  // RFC 858
	TimingMark Option = 6  // RFC 860
	TermType   Option = 24 // RFC 1091
	EndRecord  Option = 25 // RFC 885, END-OF-RECORD
	NAWS       Option = 31 // RFC 1073
	NewEnviron Option = 39 // RFC 1572; MUD clients use it as MNES

	// RFC 2066. Both sides may perform it.
	Charset Option = 42

	// Options of MUDs, which no RFC has. They are described at
	// https://tintin.mudhalla.net/protocols/ and https://mudstandards.org.
	MSDP  Option = 69  // MUD Server Data Protocol
	MSSP  Option = 70  // MUD Server Status Protocol
	MCCP2 Option = 86  // compression of what the server sends
	MCCP3 Option = 87  // compression of what the client sends
	MXP   Option = 91  // MUD eXtension Protocol
	GMCP  Option = 201 // Generic MUD Communication Protocol
)

var optionNames = map[Option]string{
	Echo: "ECHO", SGA: "SUPPRESS-GO-AHEAD", TimingMark: "TIMING-MARK", TermType: "TERMINAL-TYPE", EndRecord: "END-OF-RECORD",
	NAWS: "NAWS", NewEnviron: "NEW-ENVIRON", Charset: "CHARSET", MSDP: "MSDP", MSSP: "MSSP",
	MCCP2: "MCCP2", MCCP3: "MCCP3", MXP: "MXP", GMCP: "GMCP",
}

// String returns the option's name, or its number.
func (o Option) String() string {
	if name, ok := optionNames[o]; ok {
		return name
	}
	return fmt.Sprintf("option %d", byte(o))
}

// A Side is one of the two parties of an option.
type Side bool

// The sides, as seen from the Codec.
const (
	Us   Side = false // we perform the option: WILL, or DO from the peer
	Them Side = true  // the peer does: DO, or WILL from the peer
)

// String returns "us" or "them".
func (s Side) String() string {
	if s == Them {
		return "them"
	}
	return "us"
}

// ask and deny return the commands by which we say that side is to perform an
// option, or not to.
func (s Side) ask() Command {
	if s == Them {
		return DO
	}
	return WILL
}

func (s Side) deny() Command {
	if s == Them {
		return DONT
	}
	return WONT
}
