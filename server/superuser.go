package server

import (
	"context"
	"fmt"
	"log/slog"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// A Secret is a password as it was typed. It shows in no log and no formatted
// text; its JSON form is the text itself.
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// String hides the password from formatted text, GoString does from %#v.
func (Secret) String() string   { return "(hidden)" }
func (Secret) GoString() string { return "(hidden)" }

// A SuperuserRequest asks for an account that passes every lock. With neither a
// Password nor Grant it only asks whether there is an account of that name.
type SuperuserRequest struct {
	Name     string `json:"name"`
	Password Secret `json:"password,omitempty"` // makes a new account, with a character of the same name
	Grant    bool   `json:"grant,omitempty"`    // gives all powers to an account that exists
}

// A SuperuserReply is how the account stands when the request was carried out.
type SuperuserReply struct {
	Exists    bool   `json:"exists"`
	Name      string `json:"name"` // as it is spelled, if it exists
	Superuser bool   `json:"superuser"`
}

// Check reports what is wrong with the name or the password, in the words that
// the command create has for it.
func (r SuperuserRequest) Check() error {
	if err := world.CheckName(r.Name); err != nil {
		return command.NameError(err)
	}
	if r.Password == "" {
		return nil
	}
	return command.CheckPassword(r.Name, string(r.Password))
}

const superuserRequest = "superuser"

// Message returns the request as it goes to a Server that runs.
func (r SuperuserRequest) Message() message.Message {
	return message.New(superuserRequest, r.Name).With("password", string(r.Password)).With("grant", r.Grant)
}

func parseSuperuserRequest(m message.Message) SuperuserRequest {
	name, _ := m.ArgText(0)
	pw, _ := m.Kwargs["password"].(string)
	grant, _ := m.Kwargs["grant"].(bool)
	return SuperuserRequest{Name: name, Password: Secret(pw), Grant: grant}
}

func (r SuperuserReply) message() message.Message {
	return message.New(superuserRequest, r.Name).With("exists", r.Exists).With("superuser", r.Superuser)
}

// ParseSuperuserReply reads what a Server has answered.
func ParseSuperuserReply(m message.Message) SuperuserReply {
	name, _ := m.ArgText(0)
	exists, _ := m.Kwargs["exists"].(bool)
	super, _ := m.Kwargs["superuser"].(bool)
	return SuperuserReply{Exists: exists, Name: name, Superuser: super}
}

// MakeSuperuser carries out the request in a world that no Server plays, and
// returns when that is in the store. An empty world is built first, as at its
// first start. Cfg needs no Dialer. The caller makes sure that no Server uses
// the store: one that does could commit nothing any more.
func MakeSuperuser(ctx context.Context, cfg Config, r SuperuserRequest) (SuperuserReply, error) {
	cfg.Dialer = noDialer{}
	s, err := New(cfg)
	if err != nil {
		return SuperuserReply{}, err
	}
	hash, err := s.superuserHash(ctx, r)
	if err != nil {
		return SuperuserReply{}, err
	}
	w, at, err := s.load(ctx)
	if err != nil {
		return SuperuserReply{}, err
	}
	state, err := s.takeOver(ctx, w, at)
	if err != nil {
		return SuperuserReply{}, err
	}
	var reply SuperuserReply
	err = s.protect("superuser", func() error {
		if build := s.cfg.Game.Build; build != nil && s.world.Empty() && (r.Grant || r.Password != "") {
			if err := build(s.world); err != nil {
				return fmt.Errorf("build the first world: %w", err)
			}
		}
		reply, err = s.superuser(r, hash)
		return err
	})
	if err != nil {
		return SuperuserReply{}, err
	}
	changes := s.world.TakeChanges()
	for _, u := range changes.Unstored {
		return SuperuserReply{}, u.Err
	}
	if !changes.Empty() {
		batch := newBatch(state.Commit+1, changes, nil, nil)
		if err := s.cfg.Store.Commit(ctx, state.Epoch, []*store.Batch{batch}); err != nil {
			return SuperuserReply{}, fmt.Errorf("server: commit %d: %w", batch.Commit, err)
		}
	}
	return reply, nil
}

// answerSuperuser carries out a SuperuserRequest of the Portal and answers when
// that is in the store. It is called on the loop and does not hold it up.
func (s *Server) answerSuperuser(f *link.Request) {
	r := parseSuperuserRequest(f.Message)
	s.work.start(context.Background(), func(ctx context.Context) {
		answer := &link.Reply{ID: f.ID}
		reply, err := s.doSuperuser(ctx, r)
		if answer.Message = reply.message(); err != nil {
			answer.Err = err.Error()
		}
		if err := s.conn.Send(answer); err != nil {
			s.log.Debug("reply not sent", "err", err)
		}
	})
}

// doSuperuser carries out a request beside the loop.
func (s *Server) doSuperuser(ctx context.Context, r SuperuserRequest) (SuperuserReply, error) {
	hash, err := s.superuserHash(ctx, r)
	if err != nil {
		return SuperuserReply{}, err
	}
	type result struct {
		reply SuperuserReply
		err   error
	}
	done := make(chan result, 1) // fn may still run when Do has returned with an error
	if err := s.Do(ctx, func(*world.World) {
		reply, err := s.superuser(r, hash)
		done <- result{reply, err}
	}); err != nil {
		return SuperuserReply{}, err
	}
	res := <-done
	return res.reply, res.err
}

// superuserHash checks the request and hashes its password, if it has one.
func (s *Server) superuserHash(ctx context.Context, r SuperuserRequest) (world.Password, error) {
	if err := r.Check(); err != nil || r.Password == "" {
		return "", err
	}
	hash, err := s.pool.hash(ctx, string(r.Password))
	return world.Password(hash), err
}

// superuser carries out a request on the world. If it fails it has changed
// nothing.
func (s *Server) superuser(r SuperuserRequest, hash world.Password) (reply SuperuserReply, err error) {
	w := s.world
	mark := w.Mark()
	defer func() {
		if err != nil {
			w.Undo(mark)
		}
	}()
	a := w.AccountByName(r.Name)
	switch {
	case a == nil && r.Grant:
		return reply, command.Errorf("There is no account %s.", r.Name)
	case a == nil && w.CharacterByName(r.Name) != nil, a != nil && hash != "":
		return reply, command.NameError(world.ErrNameTaken)
	case a == nil && hash == "":
		return reply, nil
	case a == nil:
		if a, err = s.newAccount(r.Name, hash); err != nil {
			return reply, command.NameError(err)
		}
	}
	if (r.Grant || hash != "") && !a.Superuser() {
		a.SetSuperuser(true)
		s.log.Info("superuser made", "account", a.Name())
	}
	return SuperuserReply{Exists: true, Name: a.Name(), Superuser: a.Superuser()}, nil
}

// newAccount makes an account with a character of the same name, as the command
// create does.
func (s *Server) newAccount(name string, hash world.Password) (*world.Account, error) {
	a, err := s.world.NewAccount(name, hash)
	if err != nil {
		return nil, err
	}
	var home world.Entity
	if r := s.world.StartRoom(); r != nil {
		home = r
	}
	c, err := s.world.NewCharacter(name, home)
	if err != nil {
		return nil, err
	}
	if err := a.AddCharacter(c); err != nil {
		return nil, err
	}
	return a, a.AddPerm("Player")
}
