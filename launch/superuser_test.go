package launch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/server"
	"mudlark.dev/store/memory"
	"mudlark.dev/world"
)

// TestSecret: a password shows nowhere but on the way to the Server.
func TestSecret(t *testing.T) {
	req := server.SuperuserRequest{Name: "Ada", Password: "open sesame"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", req.Password, "request", req)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", req.Password)
	shown := log.String() + fmt.Sprintf("%v %+v %#v %s %q", req, req, req, req.Password, req.Password)
	if strings.Contains(shown, "sesame") {
		t.Errorf("the password shows in %s", shown)
	}
	data, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var back server.SuperuserRequest
	if err := json.Unmarshal(data, &back); err != nil || back != req {
		t.Errorf("%s became another request (%v)", data, err)
	}
}

// TestMakeSuperuser has requests carried out one after the other in one world.
func TestMakeSuperuser(t *testing.T) {
	disk := memory.NewDisk()
	built := 0
	game := server.Game{Build: func(w *world.World) error {
		built++
		room := w.NewRoom("Nowhere")
		w.SetStartRoom(room)
		_, err := w.NewCharacter("Ghost", room)
		return err
	}}
	do := func(req server.SuperuserRequest) (server.SuperuserReply, error) {
		st := disk.Open()
		defer st.Close()
		return server.MakeSuperuser(t.Context(), server.Config{Game: game, Store: st, Logger: slog.New(slog.DiscardHandler)}, req)
	}
	type request = server.SuperuserRequest
	type reply = server.SuperuserReply
	const pw = "open sesame"
	ada := reply{Exists: true, Name: "Ada", Superuser: true}
	tests := []struct {
		name  string
		req   request
		want  reply
		err   string // what the user reads
		built int
	}{
		{"nobody yet", request{Name: "Ada"}, reply{}, "", 0},
		{"powers for nobody", request{Name: "Ada", Grant: true}, reply{}, "There is no account Ada.", 1}, // not committed
		{"a new account", request{Name: "Ada", Password: pw}, ada, "", 2},
		{"of any case", request{Name: "aDA"}, ada, "", 2},
		{"again", request{Name: "ada", Password: pw}, reply{}, "That name is taken. Please choose another one.", 2},
		{"powers for one who has them", request{Name: "ada", Grant: true}, ada, "", 2},
		{"a character has the name", request{Name: "ghost", Password: pw}, reply{}, "That name is taken. Please choose another one.", 2},
		{"nor can it be looked for", request{Name: "ghost"}, reply{}, "That name is taken. Please choose another one.", 2},
		{"no name", request{Name: "x y", Password: pw}, reply{}, "A name has 3 to 30 letters, digits or any of @ . + - _", 2},
		{"too long a password", request{Name: "Bob", Password: server.Secret(strings.Repeat("x", 257))}, reply{}, "A password has at most 256 bytes.", 2},
		{"nothing of the failures", request{Name: "Bob"}, reply{}, "", 2},
	}
	for _, tt := range tests {
		got, err := do(tt.req)
		var user *command.UserError
		switch {
		case got != tt.want:
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		case tt.err == "" && err != nil, tt.err != "" && (!errors.As(err, &user) || user.Text != tt.err):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		case built != tt.built:
			t.Errorf("%s: the world was built %d times, want %d", tt.name, built, tt.built)
		}
	}

	// A world that cannot be built is left as it was.
	disk = memory.NewDisk()
	game.Build = func(w *world.World) error {
		w.NewRoom("Half")
		return errors.New("no stone")
	}
	if _, err := do(request{Name: "Ada", Password: pw}); err == nil {
		t.Error("a superuser was made in a world that cannot be built")
	}
	game.Build = nil
	if got, err := do(request{Name: "Ada"}); err != nil || got.Exists {
		t.Errorf("after a failure there is %+v (%v)", got, err)
	}
	if got, err := do(request{Name: "Ada", Password: pw}); err != nil || !got.Superuser {
		t.Errorf("in a world that nobody builds: %+v (%v)", got, err)
	}
}
