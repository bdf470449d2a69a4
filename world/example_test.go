package world_test

import (
	"fmt"

	"mudlark.dev/world"
)

// A Door is an exit that can be shut.
type Door struct {
	world.Exit
	Shut  world.Attr[bool]
	Knock world.List[string]
}

// AtTraverse takes who through, unless the door is shut.
func (d *Door) AtTraverse(who, dest world.Entity) error {
	if d.Shut.Get() {
		return world.Refuse("The %s is shut.", d.Name())
	}
	o, _ := world.As[*world.Object](who)
	return o.MoveTo(dest, world.MoveOptions{Type: "traverse", By: &d.Exit})
}

var _ world.AtTraverseHook = (*Door)(nil)

func ExampleClass() {
	w, err := world.New(world.Config{Typeclasses: []world.Typeclass{world.Class[Door]("door")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	hall, cellar := w.NewRoom("Hall"), w.NewRoom("Cellar")
	door, err := world.Create[*Door](w, world.Spec{Name: "oak door", In: hall, To: cellar})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada, err := w.NewCharacter("Ada", hall)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := ada.MoveTo(hall, world.MoveOptions{Quiet: true}); err != nil {
		fmt.Println(err)
	}
	if err := door.Shut.Set(true); err != nil {
		fmt.Println(err)
	}
	fmt.Println(door.Traverse(ada), ada.Location().Name())
	if err := door.Shut.Set(false); err != nil {
		fmt.Println(err)
	}
	fmt.Println(door.Traverse(ada), ada.Location().Name())
	// Output:
	// The oak door is shut. Hall
	// <nil> Cellar
}

func ExampleAs() {
	w, err := world.New(world.Config{Typeclasses: []world.Typeclass{world.Class[Door]("door")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	room := w.NewRoom("Hall")
	if _, err := world.Create[*Door](w, world.Spec{Name: "door", In: room, To: room}); err != nil {
		fmt.Println(err)
	}
	for _, e := range room.Contents() {
		_, isExit := e.(*world.Exit) // a *Door that embeds one is none to Go
		_, asExit := world.As[*world.Exit](e)
		fmt.Println(isExit, asExit)
	}
	// Output: false true
}

func ExampleWorld_Undo() {
	w, err := world.New(world.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	room := w.NewRoom("Hall")
	mark := w.Mark()
	if err := room.SetDesc("on fire"); err != nil {
		fmt.Println(err)
	}
	w.Undo(mark)
	fmt.Printf("%q\n", room.Desc())
	// Output: ""
}
