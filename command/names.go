package command

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"mudlark.dev/world"
)

// Limits of a password.
const (
	minPassword = 8   // characters
	maxPassword = 256 // bytes
)

// common are passwords that are tried first by whoever guesses.
var common = []string{
	"password", "password1", "passw0rd", "qwertyuiop", "qwerty123", "iloveyou", "1q2w3e4r", "abcd1234", "abc12345",
	"letmein1", "sunshine", "princess", "football", "baseball", "superman", "trustno1", "whatever", "starwars", "dragon123",
}

// CheckPassword returns a *UserError that says why the password is none for an
// account of that name: it has 8 characters to 256 bytes, is not the name, not
// digits alone, and not one of the first that anybody would guess.
func CheckPassword(name, password string) error {
	lower := strings.ToLower(password)
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return Errorf("A password needs at least %d characters.", minPassword)
	case len(password) > maxPassword:
		return Errorf("A password has at most %d bytes.", maxPassword)
	case lower == strings.ToLower(name):
		return Errorf("The password must not be the name.")
	case strings.Trim(password, "0123456789") == "":
		return Errorf("The password must not be digits alone.")
	case slices.Contains(common, lower):
		return Errorf("That password is among the first that anybody would guess. Please choose another one.")
	}
	return nil
}

// NameError puts the world's errors about names of accounts and characters into
// words for the player, and leaves other errors alone.
func NameError(err error) error {
	switch {
	case errors.Is(err, world.ErrNameTaken):
		return Errorf("That name is taken. Please choose another one.")
	case errors.Is(err, world.ErrBadName):
		return Errorf("A name has 3 to 30 letters, digits or any of @ . + - _")
	}
	return err
}
