package link

import (
	"errors"
	"fmt"

	"mudlark.dev/message"
	"mudlark.dev/session"
)

// Version is the version of the protocol that this package speaks. Peers of
// different versions refuse each other: see SPEC.md, Handshake.
const Version = 4

// MaxFrame is the largest frame in bytes, its length field not counted.
// A larger one ends the link with ErrFrameTooLarge.
const MaxFrame = 4 << 20

// Errors of the codec. A link that meets one of them is ended: what follows
// cannot be trusted. Build both processes from one release.
var (
	ErrFrameTooLarge = errors.New("link: frame too large")
	ErrBadFrame      = errors.New("link: frame cannot be read")
)

// An Op tells what a frame is. Its number is part of the protocol.
type Op byte

// The frames. The comment says who sends it.
const (
	opServerHello Op = 1  // Server
	opPortalHello Op = 2  // Portal
	opRefuse      Op = 3  // both
	opSeat        Op = 10 // Portal
	opSynced      Op = 11 // Portal
	opOpen        Op = 12 // Portal
	opInput       Op = 13 // Portal
	opInputText   Op = 14 // Portal
	opUpdate      Op = 15 // Portal
	opClose       Op = 16 // Portal
	opCredit      Op = 17 // Portal
	opPing        Op = 18 // Portal
	opDrain       Op = 19 // Portal
	opGo          Op = 20 // Portal
	opAside       Op = 21 // Portal
	opOutput      Op = 30 // Server
	opOutputText  Op = 31 // Server
	opQuestion    Op = 32 // Server
	opLogin       Op = 33 // Server
	opPrefs       Op = 34 // Server
	opDisconnect  Op = 35 // Server
	opAction      Op = 36 // Server
	opEnd         Op = 37 // Server
	opCommitted   Op = 38 // Server
	opPong        Op = 39 // Server
	opDrained     Op = 40 // Server
	opStalled     Op = 41 // Server
	opRequest     Op = 50 // both
	opReply       Op = 51 // both
)

// A Frame is one unit on the link. The types of this package whose names stand
// in SPEC.md are the only ones that implement it.
type Frame interface {
	op() Op
	appendTo(dst []byte) ([]byte, error)
}

// Mode says how a Server starts or why it is told to stop.
type Mode uint8

// The modes. Their numbers are part of the protocol.
const (
	ModeCold     Mode = iota // start: the game was not running before; cold-start hooks
	ModeReload               // a new Server takes the place of the old one
	ModeReset                // as ModeReload, with cold-stop and cold-start hooks
	ModeShutdown             // stop only: the game ends
	ModeCrash                // start: the Server before it died
)

// String returns the mode's name in lower case.
func (m Mode) String() string {
	switch m {
	case ModeCold:
		return "cold"
	case ModeReload:
		return "reload"
	case ModeReset:
		return "reset"
	case ModeShutdown:
		return "shutdown"
	case ModeCrash:
		return "crash"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// An Index names a session on one link: small, given out by the Portal, never
// given to a second session while the link lasts. 0 names no session.
type Index uint32

// A QuestionID names a question that a command asks: the K-th one (from 1) of
// the command that line Line of its session started. It is the same when the
// line is run again. The zero value is no question.
type QuestionID struct {
	Line uint64
	K    uint32
}

// ServerHello is the first frame of a link, sent by the Server: once without an
// epoch, when it has loaded the world, and again with it after Go.
type ServerHello struct {
	Version uint32
	Server  string // the Server's name: which of a Portal's Servers this is
	Epoch   uint64 // rises with each Server on the same store, an older one is refused; 0 before Go
	Mode    Mode
	Commit  uint64 // the last commit that it has loaded, and with an epoch the last in the store
}

// Go is the Portal's answer to a ServerHello without an epoch: the Server before
// is dead, so this one may take the store over.
type Go struct{ Mode Mode } // why it starts, as it is by now

// PortalHello is the Portal's answer to a ServerHello with an epoch. Aside and
// Seat frames and Synced follow it.
type PortalHello struct {
	Version uint32
	Portal  string // the Portal's name
	Epoch   uint64 // rises with each start of that Portal
	Game    string // the game's name, for the Server's log
}

// Refuse ends a link instead of, or after, a Hello.
type Refuse struct {
	Reason string // for the operator
	Hint   string // what the operator can do
}

// Seat announces a session of the Portal and the index that frames use for it.
// In the Sync after a handshake it stands for a session that existed before.
type Seat struct {
	Index     Index
	ID        session.ID
	Number    uint64 // the short number that people are shown
	Info      session.Info
	Processed uint64     // the last line that the Portal knows to be processed; 0 for a new session
	Question  QuestionID // the question that is open, if any
	Unread    uint64     // bytes of output that the client has not taken yet
}

// Aside says before Synced that something is not to be run, because Servers have
// died of it.
type Aside struct{ Unit Unit }

// Synced ends the list of Seats that follows a handshake.
type Synced struct{}

// Open is the first line of a session's log: a client has connected.
type Open struct {
	Index Index
	N     uint64
}

// Input is a line of a session's log: a message from the client.
type Input struct {
	Index    Index
	N        uint64
	Question QuestionID // the question that was open when it was read
	Message  message.Message
}

// Update is a line of a session's log: what the client can do has changed.
type Update struct {
	Index Index
	N     uint64
	Info  session.Info
}

// Close is the last line of a session's log: the client has left.
type Close struct {
	Index  Index
	N      uint64
	Reason string
}

// Credit gives back bytes of output that a client has taken or that are of no
// use any more. Index 0 gives them back to the link's own budget.
type Credit struct {
	Index Index
	Bytes uint64
}

// Ping asks the Server's loop for a Pong with the same number.
type Ping struct{ Seq uint64 }

// Drain tells the Server to stop: finish the turn, commit, answer Drained, end.
type Drain struct {
	Mode   Mode
	Reason string
}

// Output is a message for some sessions. Like the frames up to Action it
// belongs to a turn, which End closes.
type Output struct {
	Sessions []Index
	Options  message.Options
	Message  message.Message
}

// Question opens a question at a session and shows its prompt; the zero ID
// closes the one that is open.
type Question struct {
	Session Index
	ID      QuestionID
	Hidden  bool // what is typed must not be shown
	Prompt  string
}

// Login tells the Portal who plays at a session, for its listing. Empty names
// mean nobody.
type Login struct {
	Session Index
	Account string
	Puppet  string
}

// Prefs tells the Portal what a session's player prefers.
type Prefs struct {
	Session Index
	Prefs   session.Prefs
}

// Disconnect asks the Portal to close a session.
type Disconnect struct {
	Session Index
	Reason  string // told to the player
}

// Action asks the Portal to replace or stop the Server.
type Action struct {
	Mode    Mode  // ModeReload, ModeReset or ModeShutdown
	Session Index // who is told of progress and errors; 0 for nobody
	Reason  string
}

// A Line is a position in a session's log: all up to N are processed.
type Line struct {
	Session Index
	N       uint64
}

// End closes a turn. The Portal holds all its frames until Commit is
// committed, then carries them out together with Lines.
type End struct {
	Commit uint64
	Lines  []Line
}

// Committed says that all up to Commit is in the store.
type Committed struct{ Commit uint64 }

// Pong answers Ping.
type Pong struct{ Seq uint64 }

// Drained says that the Server has committed all it has done and ends.
type Drained struct{ Commit uint64 }

// Stalled says that the store does not commit, and with an empty Text that it does
// again. It belongs to no turn: turns wait.
type Stalled struct{ Text string } // for the operator

// Request asks the other side for something; Reply with the same ID answers it.
type Request struct {
	ID      uint64
	Message message.Message
}

// Reply answers a Request: with Message, or with Err if that is not empty.
type Reply struct {
	ID      uint64
	Err     string
	Message message.Message
}
