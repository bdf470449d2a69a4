package message_test

import (
	"errors"
	"fmt"

	"mudlark.dev/message"
)

func ExampleText() {
	m := message.Text("You see a lark.")
	text, ok := m.ArgText(0)
	fmt.Println(m.Name, text, ok)
	// Output: text You see a lark. true
}

// With leaves the message alone that it was called on: one message can be the
// beginning of several.
func ExampleMessage_With() {
	base := message.New("vitals").With("hp", 20)
	hurt := base.With("hp", 3)
	before, _ := base.KwargInt("hp")
	after, _ := hurt.KwargInt("hp")
	fmt.Println(before, after)
	// Output: 20 3
}

// What a client has sent may be anything: look at each value before its use.
func ExampleMessage_UnmarshalJSON() {
	var m message.Message
	if err := m.UnmarshalJSON([]byte(`["roll", [], {"sides": 6, "times": 2.0}]`)); err != nil {
		fmt.Println(err)
		return
	}
	sides, ok := m.KwargInt("sides")
	fmt.Println(sides, ok)
	times, ok := m.KwargInt("times") // a number with a fraction is a float64
	fmt.Println(times, ok)
	// Output:
	// 6 true
	// 0 false
}

// Check names the place of what cannot be sent.
func ExampleMessage_Check() {
	err := message.New("room_info").With("exits", []any{"north", struct{}{}}).Check()
	fmt.Println(err)
	fmt.Println(errors.Is(err, message.ErrBadType))
	// Output:
	// message "room_info": kwargs.exits[1]: a struct {} cannot be sent
	// true
}

// Messages stand one after the other in the binary form.
func ExampleDecodeBinary() {
	data, err := message.Text("north").AppendBinary(nil)
	if err == nil {
		data, err = message.New("ping", 1).AppendBinary(data)
	}
	for err == nil && len(data) > 0 {
		var m message.Message
		m, data, err = message.DecodeBinary(data)
		fmt.Println(m.Name, m.Args)
	}
	fmt.Println(err)
	// Output:
	// text [north]
	// ping [1]
	// <nil>
}

func ExampleCanonicalName() {
	fmt.Println(message.CanonicalName("Char.Vitals ") == message.CanonicalName("char.vitals"))
	// Output: true
}
