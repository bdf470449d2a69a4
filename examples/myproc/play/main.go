// Play runs the game of package myproc: "go run ./examples/myproc/play demo".
package main

import (
	"mudlark.dev/examples/myproc"
	"mudlark.dev/launch"
)

func main() { launch.Main(myproc.Game()) }
