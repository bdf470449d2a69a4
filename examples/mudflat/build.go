package mudflat

import (
	"errors"
	"fmt"

	"mudlark.dev/ui"
	"mudlark.dev/world"
)

// chart is the way around, for who can see it.
const chart = `
             |yhut|n
              |
 |yinn|n chapel |ymarsh|n
   \ /        |
  |ygreen|n       |
    |         |
   |ylane|n ---- |ywall|n . . |bflats|n . . |yisland|n
    |   |b~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~|n
  |yjetty|n |b~ ~  ~ ~ ~  ~ ~ ~  ~ ~|n`

// Build fills an empty world. It runs once, at the first start.
func Build(w *world.World) error {
	b := &builder{w: w}

	jetty := b.room("The Ferry Jetty", `
Tarred planks run out over the water and stop, as if the carpenter had been called away. A bell hangs
from a post at the end. The river is brown and wide here and takes its time; on the far side, through
the haze, somebody else's chimneys smoke. A lane leads up from the shore.`)
	b.scenery(jetty, "bell", "ferry bell", `
Green with salt. The rope is new, though, and a board beneath it says: RING AND WAIT. The ferryman, by
all accounts, is in no hurry.`)
	b.scenery(jetty, "river", "water", "Brown as tea, and never still. It runs both ways, twice a day each.")

	lane := b.room("Saltings Lane", `
A lane of crushed shell between two banks of sea lavender. Every so often the river comes up this far
and leaves a line of straw and corks to say so. The village, such as it is, lies up the lane; the
jetty is down by the water, and a path goes along the sea wall.`)
	b.scenery(lane, "sea lavender", "lavender", "Purple for six weeks, grey for the rest. The bees do not care which.")

	green := b.room("The Green", `
A triangle of grass with a pump in the middle and a bench that looks at it. Three houses look at the
bench. The inn has its door open; the chapel keeps its own shut, but not locked.`)
	b.scenery(green, "pump", "", "Cast iron, painted many times, most recently green. The handle squeaks on the way up only.")
	b.scenery(green, "bench", "", `Somebody has cut into the seat, with care: "HERE I SAT. NOTHING CAME OF IT."`)

	inn := b.room("The Lapwing", `
Low beams, a slow fire, and a smell of onions. The landlady is away, and has left a slate: HELP
YOURSELVES AND WRITE IT DOWN. Nobody has written anything down. A chart of the estuary is nailed up
beside the bar.`)
	b.scenery(inn, "chart", "map", "Ink on sailcloth, spotted with ale. It is not to scale; nothing here is."+ui.Art(chart,
		"From the jetty a lane leads up to the green, where the inn and the chapel are. A path goes off the lane, east to the sea "+
			"wall. From the wall the marsh and a hut lie to the north, and to the east, across the flats and between stakes, an island."))
	b.scenery(inn, "slate", "", "HELP YOURSELVES AND WRITE IT DOWN. Beneath it, in another hand: we did. Beneath that: no you did not.")
	b.scenery(inn, "fire", "hearth", "Driftwood. The salt makes it burn blue at the edges.")
	b.thing(inn, "lantern", "brass lantern", "A ferryman's lantern of brass and horn. It is lit, and seems to intend to stay so.")

	chapel := b.room("St Olave by the Mud", `
Whitewash, six pews, and a window with one blue pane. The floor is all tombstones, worn to a few
letters each. Behind the font a curtain hangs where there is no reason for one.`)
	b.scenery(chapel, "curtain", "", `
Moth and dust. Behind it, three steps go down to a low door that somebody has oiled not long ago. One
could go |wdown|n.`)
	b.scenery(chapel, "tombstones", "stones", `"…DROWNED…", "…ALSO HIS BROTHER…", "…AT LOW WATER, WHICH HE MISJUDGED."`)

	crypt := b.room("The Dry Crypt", `
Dry is what they call it. Barrels stand along one wall under a sheet, and have no business here. A
passage, cut by men who were bent double, goes on towards the river: you can hear it at the other end.`)
	b.scenery(crypt, "barrels", "barrel", "French, by the brand. Empty, by the sound. A shame, all told.")

	wall := b.room("The Sea Wall", `
A bank of clay and turf, with the marsh on one hand and the river on the other. From here you can see
how little there is of the land. Larks go up from the marsh as if they were being paid for it. When
the water is low, a line of stakes shows where one can walk out over the flats.`)
	b.scenery(wall, "stakes", "stake", "Withies, cut from the hedge and driven in by hand. They mark the hard, and lean the way the ebb runs.")
	b.scenery(wall, "larks", "lark", "You cannot see one. You cannot hear anything else.")

	marsh := b.room("The Saltmarsh", `
Creeks wander through it like handwriting. Between them grows glasswort, cord-grass, and now and then a
sheep that knows the way better than you do.`)
	b.scenery(marsh, "creeks", "creek", "Empty at low water, brim-full at high, and never twice in quite the same bed.")
	b.thing(marsh, "samphire", "glasswort", "A handful of samphire, crisp and salt. It would go well with butter, if you had butter.")

	hut := b.room("The Wildfowler's Hut", `
Four walls of tarred driftwood around a stove and a chair. Through a slot at the height of your eyes
you can watch the whole marsh, and it cannot watch you. Feathers lie about.`)
	b.scenery(hut, "slot", "", "A shoveler, two teal, and a heron that is pretending to be a post.")
	b.thing(hut, "feather", "lark's feather", "A flight feather, brown with a pale edge. It weighs less than the thought of it.")

	flats := b.room("Out on the Flats", `
Mud to every side, ribbed by the last tide and shining like the inside of a shell. The stakes go on.
Behind you the sea wall is a green line; ahead, there is a hump of shingle that might be an island.
The sky has most of the room. One should not dawdle here.`)
	b.scenery(flats, "mud", "", "Grey on top, black beneath, and alive throughout. It would like your boots.")

	island := b.room("Cormorant Hard", `
A hump of shingle and thrift, cut off twice a day. The ribs of a barge stand out of it, and on every
rib sits a cormorant with its wings held open, like washing. On the side away from the shore there is
an opening in the shingle, shored with barge timber.`)
	b.scenery(island, "barge", "ribs", `The name-board is still there: "PATIENCE, of Maldon". She has had need of it.`)
	b.scenery(island, "cormorants", "cormorant", "They look at you the way clerks look at the clock.")
	b.thing(island, "whistle", "bosun's whistle", "A bosun's whistle of worn silver. You have the feeling that you should not blow it out here.")

	cave := b.room("The Run-Goods Cellar", `
A cellar under the shingle, boarded with hatch covers. Tallies are chalked on the wall in fives, years
of them. One passage goes back under the river, bent double, to the land; a ladder goes up to daylight.`)
	b.scenery(cave, "tallies", "tally", "Brandy, lace, tea. Tea most of all. The last one is dated, and it is not so long ago.")

	b.both(jetty, "up", "u,lane", lane, "jetty", "down,d")
	b.both(lane, "village", "up,u", green, "lane", "down,d")
	b.both(lane, "path", "east,e", wall, "lane", "west,w")
	b.both(green, "inn", "lapwing,in", inn, "out", "green,o")
	b.both(green, "chapel", "church", chapel, "out", "green,o")
	b.both(wall, "marsh", "north,n", marsh, "wall", "south,s")
	b.both(marsh, "hut", "north,n", hut, "out", "south,s,o")
	b.both(flats, "island", "east,e", island, "flats", "west,w")
	b.both(crypt, "passage", "east,e", cave, "passage", "west,w")
	b.both(island, "opening", "down,d", cave, "ladder", "up,u")

	// The way that is not obvious: the look of the room does not list it.
	b.hidden(chapel, "down", "d,door,steps", crypt)
	b.exit(crypt, "up", "u,steps", chapel)

	// The way over the flats is open at low water only.
	out := b.exit(wall, "flats", "stakes,out", flats)
	back := b.exit(flats, "wall", "west,w", wall)
	for _, e := range []*world.Exit{out, back} {
		b.err(w.AddTag(e, "causeway", "tide"))
		b.err(e.SetAttr("err_traverse", "The stakes lean in a brown current, and there is no ground between them. You will have to wait for the ebb."))
	}
	for _, r := range []*world.Room{jetty, wall, flats, island, marsh} {
		b.err(w.AddTag(r, "shore", "tide"))
		b.err(r.AddCmdSet("shore"))
	}
	if b.first != nil {
		return fmt.Errorf("mudflat: %w", b.first)
	}
	w.SetStartRoom(jetty)
	if _, err := w.Every(tideTurns, jetty, "tide", nil); err != nil {
		return fmt.Errorf("mudflat: tide: %w", err)
	}
	return nil
}

// turnTide opens or closes the way over the flats, and tells everybody who can
// see the water.
func turnTide(w *world.World, jetty world.Entity, _ map[string]any) error {
	room, ok := world.As[*world.Room](jetty)
	if !ok {
		return errors.New("mudflat: the jetty is gone")
	}
	v, _ := room.Attr("flood")
	flood, _ := v.(bool)
	flood = !flood
	if err := room.SetAttr("flood", flood); err != nil {
		return err
	}
	locks, text := "traverse:all()", "|bThe tide has turned.|n The ebb draws off with a sound like paper, and the flats begin to shine."
	if flood {
		locks, text = "traverse:none()", "|bThe tide is making.|n Water runs up the creeks, quietly and from several sides at once."
	}
	for _, e := range w.Tagged("causeway", "tide") {
		if exit, ok := world.As[*world.Exit](e); ok {
			if err := exit.SetLocks(locks); err != nil {
				return err
			}
		}
	}
	for _, e := range w.Tagged("shore", "tide") {
		if r, ok := world.As[*world.Room](e); ok {
			r.MsgContents(text)
		}
	}
	return nil
}
