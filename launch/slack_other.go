//go:build !linux

package launch

import "context"

// slacken does nothing: only Linux has a timer slack.
func (a *app) slacken(context.Context) {}
