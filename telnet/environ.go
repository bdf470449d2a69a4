package telnet

// Codes within a subnegotiation of NEW-ENVIRON: RFC 1572, section 2.
const (
	environIs   = 0
	environSend = 1
	environInfo = 2

	environVar     = 0
	environValue   = 1
	environEsc     = 2
	environUserVar = 3
)

// Bounds of the variables that are believed: more of them, and longer ones, are
// left out.
const (
	MaxEnviron      = 64
	MaxEnvironName  = 64      // bytes
	MaxEnvironValue = 1 << 10 // bytes
)

// An EnvironVar is a variable of the client's environment. Any client may claim
// anything, and the bytes are as they came.
type EnvironVar struct {
	Name    string
	Value   string
	Defined bool // it has a value, which may be empty
	User    bool // it was sent as a USERVAR, not one of the well-known
}

// AppendEnvironSend appends the question for all variables.
func AppendEnvironSend(dst []byte) []byte { return AppendSub(dst, NewEnviron, []byte{environSend}) }

// ParseEnviron reads what a client tells of its environment, asked for (IS) or
// because it has changed (INFO). ok is false for another payload. RFC 1572,
// section 2.
func ParseEnviron(payload []byte) (vars []EnvironVar, ok bool) {
	if len(payload) == 0 || payload[0] != environIs && payload[0] != environInfo {
		return nil, false
	}
	payload = payload[1:]
	var v EnvironVar
	var text []byte
	in := byte(0xff) // what text is: VAR, VALUE or USERVAR
	end := func() {
		switch in {
		case environVar, environUserVar:
			v = EnvironVar{Name: string(text), User: in == environUserVar}
		case environValue:
			v.Value, v.Defined = string(text), true
		}
		text = text[:0]
	}
	add := func() {
		end()
		if in != 0xff && v.Name != "" && len(v.Name) <= MaxEnvironName && len(v.Value) <= MaxEnvironValue && len(vars) < MaxEnviron {
			vars = append(vars, v)
		}
		v, in = EnvironVar{}, 0xff
	}
	for i := 0; i < len(payload); i++ {
		switch b := payload[i]; b {
		case environVar, environUserVar:
			add()
			in = b
		case environValue:
			if in == environValue { // a second value of the same name means nothing
				add()
				continue
			}
			end()
			in = b
		case environEsc:
			if i++; i < len(payload) {
				text = append(text, payload[i])
			}
		default:
			text = append(text, b)
		}
	}
	add()
	return vars, true
}
