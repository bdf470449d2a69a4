// Play runs the game of package messages: "go run ./examples/messages/play demo".
package main

import (
	"mudlark.dev/examples/messages"
	"mudlark.dev/launch"
)

func main() { launch.Main(messages.Game()) }
