// Play runs the game of package texts: "go run ./examples/texts/play demo".
package main

import (
	"mudlark.dev/examples/texts"
	"mudlark.dev/launch"
)

func main() { launch.Main(texts.Game()) }
