package telnetd

// The encoders need no connection.
var (
	AppendText    = (&client{}).AppendText
	AppendDefault = (&client{}).AppendDefault
)
