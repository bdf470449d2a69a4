// Play runs the game of package gauges: "go run ./examples/gauges/play demo".
package main

import (
	"mudlark.dev/examples/gauges"
	"mudlark.dev/launch"
)

func main() { launch.Main(gauges.Game()) }
