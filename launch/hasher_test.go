package launch

import "testing"

func TestHashers(t *testing.T) {
	for _, tt := range []struct{ threads, processors, want int }{
		{1, 1, 1},
		{2, 2, 2},
		{32, 32, maxHashers},
		{4, 32, 3}, // a quota of four processors
		{1, 32, 1},
		{16, 32, maxHashers},
		{4, 2, 2}, // GOMAXPROCS is higher than it need be
	} {
		if got := hashers(tt.threads, tt.processors); got != tt.want {
			t.Errorf("hashers(%d, %d) = %d, want %d", tt.threads, tt.processors, got, tt.want)
		}
	}
}
