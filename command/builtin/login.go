package builtin

import (
	"context"
	"errors"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/markup"
	"mudlark.dev/world"
)

// noHash is checked for a name that has no account, so that the answer takes as
// long as for one that has. It is the hash of nothing that anybody knows.
const noHash = "$argon2id$v=19$m=19456,t=2,p=1$bXVkbGFyay1uby1hY2NvdW50$Q2Fubm90TWF0Y2hBbnlQYXNzd29yZDAxMjM0NTY3ODk"

func connectCommand() *command.Command {
	return &command.Command{
		Key: "connect", Aliases: []string{"conn", "con", "co"},
		Help: "Log in with an account that you have.\n\nUsage:\n  connect <name>\n  connect <name> <password>\n\n" +
			"Without the password you are asked for it, and nobody can read over your shoulder.\nPut double quotes around a name or password with spaces.",
		Run: connect,
	}
}

func connect(c *command.Call) error {
	name, password, err := nameAndPassword(c.Args)
	if err != nil {
		return err
	}
	if name == "" {
		return command.Errorf("Usage: connect <name>")
	}
	addr := c.Session.Info().Addr
	if err := c.Host.LoginAllowed(addr); err != nil {
		return err
	}
	if password == "" {
		password = c.AskHidden("Password: ")
		if err := c.Host.LoginAllowed(addr); err != nil {
			return err
		}
	}
	hash, a := noHash, c.World.AccountByName(name)
	if a != nil {
		hash = string(a.Password())
	}
	ok := false
	var checkErr error
	c.Await(func(ctx context.Context) { ok, checkErr = c.Host.CheckPassword(ctx, hash, password) })
	if a = c.World.AccountByName(name); a == nil || a.Password() != world.Password(hash) {
		ok = false // it changed meanwhile
	}
	if checkErr != nil {
		return checkErr
	}
	if c.Session.Account() != nil {
		return command.Errorf("You are logged in already.")
	}
	if err := c.Host.LoginAllowed(addr); err != nil {
		return err // others from this address have tried meanwhile
	}
	if !ok {
		known := ""
		if a != nil {
			known = a.Name()
			world.CallHook(a, func(h world.AtFailedLoginHook) { h.AtFailedLogin(c.Session) })
		}
		c.Host.LoginFailed(addr, known)
		return command.Errorf("That name and password do not fit together. If you are new here, type |wcreate|n.")
	}
	return enter(c, a)
}

// enter logs an account in and has it play what it played last.
func enter(c *command.Call, a *world.Account) error {
	if err := c.Session.Login(a); err != nil {
		return err
	}
	c.Msg("Welcome, |w" + a.Name() + "|n.")
	puppet := a.LastPuppet()
	if puppet == nil {
		if all := a.Characters(); len(all) > 0 {
			puppet = all[0]
		}
	}
	if puppet == nil {
		c.Msg("You have no character to play.")
		return nil
	}
	if err := c.Session.SetPuppet(puppet); err != nil {
		var refused *world.RefusedError
		if errors.As(err, &refused) {
			c.Msg(refused.Text) // logged in, out of character
			return nil
		}
		return err
	}
	return c.Look()
}

func createCommand() *command.Command {
	return &command.Command{
		Key: "create", Aliases: []string{"cre", "cr"},
		Help: "Make a new account and a character of the same name.\n\nUsage:\n  create <name>\n  create <name> <password>\n\n" +
			"Without the password you are asked for it. It needs at least 8 characters.\nA name has 3 to 30 letters, digits or any of @ . + - _",
		Run: create,
	}
}

func create(c *command.Call) error {
	name, password, err := nameAndPassword(c.Args)
	if err != nil {
		return err
	}
	if name == "" {
		return command.Errorf("Usage: create <name>")
	}
	addr := c.Session.Info().Addr
	if err := c.Host.CreationAllowed(addr); err != nil {
		return err
	}
	if err := nameFree(c.World, name); err != nil {
		return err
	}
	if password == "" {
		password = c.AskHidden("Choose a password: ")
		if err := command.CheckPassword(name, password); err != nil {
			return err
		}
		if c.AskHidden("Once more, please: ") != password {
			return command.Errorf("The two are not the same. Please start again.")
		}
	} else if err := command.CheckPassword(name, password); err != nil {
		return err
	}
	var hash string
	var hashErr error
	c.Await(func(ctx context.Context) { hash, hashErr = c.Host.HashPassword(ctx, password) })
	if hashErr != nil {
		return hashErr
	}
	// The world has gone on meanwhile.
	if err := c.Host.CreationAllowed(addr); err != nil {
		return err
	}
	if c.Session.Account() != nil {
		return command.Errorf("You are logged in already.")
	}
	if err := nameFree(c.World, name); err != nil {
		return err
	}
	first := c.World.Accounts() == 0
	a, err := c.World.NewAccount(name, world.Password(hash))
	if err != nil {
		return command.NameError(err)
	}
	var home world.Entity
	if r := c.World.StartRoom(); r != nil {
		home = r
	}
	ch, err := c.World.NewCharacter(name, home)
	if err != nil {
		return command.NameError(err)
	}
	a.AddCharacter(ch)
	a.AddPerm("Player")
	c.Host.Created(addr)
	c.Msg("The account |w" + name + "|n is made.")
	if perm := c.Host.FirstPerm(); first && perm != "" {
		a.AddPerm(perm)
		c.Msg("As the first of all you are a " + perm + " of this game.")
	}
	return enter(c, a)
}

func nameFree(w *world.World, name string) error {
	if w.AccountByName(name) != nil || w.CharacterByName(name) != nil {
		return command.NameError(world.ErrNameTaken)
	}
	// Whether it can be a name at all is for the world to say.
	if err := world.CheckName(name); err != nil {
		return command.NameError(err)
	}
	return nil
}

// nameAndPassword splits arguments into a name and a password, either of which
// may stand in double quotes.
func nameAndPassword(args string) (name, password string, err error) {
	var words []string
	for args = strings.TrimSpace(args); args != ""; args = strings.TrimSpace(args) {
		if args[0] == '"' {
			word, rest, ok := strings.Cut(args[1:], `"`)
			if !ok {
				return "", "", command.Errorf("A double quote is missing.")
			}
			words, args = append(words, word), rest
			continue
		}
		i := strings.IndexByte(args, ' ')
		if i < 0 {
			i = len(args)
		}
		words, args = append(words, args[:i]), args[i:]
	}
	switch len(words) {
	case 0:
		return "", "", nil
	case 1:
		return words[0], "", nil
	case 2:
		return words[0], words[1], nil
	}
	return "", "", command.Errorf("That is too much. Put double quotes around a name or password with spaces.")
}

func loginStart() *command.Command {
	return &command.Command{Key: command.LoginStart, Hidden: true, Run: showScreen}
}

func screenCommand() *command.Command {
	return &command.Command{
		Key: "look", Aliases: []string{"l"}, Help: "Show the first screen again.",
		Run: showScreen,
	}
}

func showScreen(c *command.Call) error {
	screen := c.Host.Screen(c.Session)
	if screen == "" {
		screen = "Welcome to |w" + markup.Escape(c.Host.GameName()) + "|n.\n\nTo begin, type:   |wcreate YourName|n\nBeen here before: |wconnect YourName|n"
	}
	if c.Session.Info().ScreenReader {
		screen = "Welcome to " + markup.Escape(c.Host.GameName()) + ". To begin, type create and a name. If you have been here before, type connect and your name."
	}
	c.Msg(screen)
	return nil
}

func helpBeforeLogin() *command.Command {
	h := helpCommand()
	h.Aliases = []string{"h", "?"}
	return h
}

func quitCommand() *command.Command {
	return &command.Command{
		Key: "quit", Aliases: []string{"q", "qu"}, Help: "Leave the game.",
		Run: func(c *command.Call) error {
			c.Session.Disconnect("Goodbye.")
			return nil
		},
	}
}
