//go:build !unix

package portal

// canReadNow says that readNow cannot be used.
const canReadNow = false

func readNow(uintptr, []byte) (n int, again bool, err error) { return 0, false, nil }
