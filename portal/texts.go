package portal

// What players read from the Portal itself. Each is one line of marked-up text
// without a line end.
const (
	textAway        = "The game is being restarted. What you type is kept."
	textStarting    = "The game is starting. What you type is kept."
	textCannotStart = "The game cannot be started just now. What you type is kept; the operator can see why."
	textBack        = "The game is back."
	textReady       = "The game has started."

	textStalled = "The game cannot save at the moment, so it waits. Nothing that you type is lost."
	textGoesOn  = "The game goes on."

	textReplacing    = "The Server is being replaced."
	textLoading      = "The new Server loads the world; the game goes on meanwhile."
	textReplaced     = "The Server was replaced. The game paused for %v."
	textReverted     = "The new Server died, so the game goes on with the build before: "
	textNotReplaced  = "The Server was not replaced: "
	textFlood        = "You sent more than the game can take for too long."
	textShutdown     = "The game is shutting down."
	textSessionsFull = "The game is full. Please try again later."
)

// What is written to a connection before there is a session. There is no
// protocol yet that could encode it, so these are plain ASCII with a line end.
const (
	plainTooMany  = "There are too many connections from your address. Please close one and try again.\r\n"
	plainTooFast  = "Too many people are connecting at this moment. Please try again shortly.\r\n"
	plainFull     = textSessionsFull + "\r\n"
	plainStopping = textShutdown + "\r\n"
	plainWantsTLS = "This port takes encrypted connections only. Please switch on TLS (or SSL) in your client.\r\n"
)
