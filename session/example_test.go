package session_test

import (
	"fmt"

	"mudlark.dev/session"
)

// What a client can do and what its player prefers make what is sent to it.
func ExampleCapsOf() {
	info := session.Info{Protocol: "telnet", Client: "MUDLET", Colors: session.Colors256, Width: 132}
	fmt.Printf("%+v\n", session.CapsOf(info, session.Prefs{}))
	fmt.Println(session.CapsOf(info, session.Prefs{NoColor: true, Width: 60}).Colors)

	// A screen reader reads escape sequences aloud, so it gets none.
	caps := session.CapsOf(info, session.Prefs{ScreenReader: true})
	fmt.Println(caps.Colors, caps.ScreenReader)

	// Of a client that has told nothing, the least is assumed.
	caps = session.CapsOf(session.Info{}, session.Prefs{})
	fmt.Println(caps.Colors, caps.Width)
	// Output:
	// {Encoding: Colors:256 Links:none Width:132 Wrap:true ScreenReader:false GMCP:false MSDP:false Packages: Flags:0}
	// none
	// none true
	// none 80
}

// An ID can be written down and read again.
func ExampleParseID() {
	id, err := session.ParseID("000102030405060708090a0b0c0d0e0f")
	fmt.Println(id, err)
	_, err = session.ParseID("12")
	fmt.Println(err)
	// Output:
	// 000102030405060708090a0b0c0d0e0f <nil>
	// session: an ID has 32 hexadecimal digits: "12"
}

func ExampleNewID() {
	id := session.NewID()
	again, err := session.ParseID(id.String())
	fmt.Println(id.IsZero(), again == id, err)
	// Output: false true <nil>
}
