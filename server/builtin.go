package server

// BuiltinInputFuncs returns the inputfuncs that every game has, for those who
// document or wrap them: a game's own of the same name goes before.
func BuiltinInputFuncs() []InputFunc { return append(builtinInputs(), valueInputs()...) }

// BuiltinValues returns the values that every game has, for those who document
// them: a game's own of the same name goes before.
func BuiltinValues() []Value { return builtinValues("") }
