// Mudlark is the tool of the framework: it runs the demo, and it starts,
// watches and stops games. "mudlark help" lists what it can do.
package main

import (
	"mudlark.dev/examples/mudflat"
	"mudlark.dev/launch"
)

func main() { launch.Main(mudflat.Game()) }
