package server

import (
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// textUnstored is what those read whose lines ran in a turn of which a part could
// not be stored.
const textUnstored = "A part of what was just changed cannot be saved: when the game is started again, it will be as it was before. The staff can find it as %s in the log."

// reportUnstored logs what could not be stored and tells those who may have
// changed it. It is called at the turn's end, before the effects are taken.
func (s *Server) reportUnstored(list []world.Unstored) {
	for _, u := range list {
		s.meter.unstored.Inc()
		ref := newRef()
		s.log.Error("a change cannot be stored, and is kept in memory only", "ref", ref, "record", u.RecordKey.String(), "name", u.Name, "err", u.Err, "stack", u.Stack)
		for _, seat := range s.turn.seats {
			if !seat.gone && seat.session.Account() != nil {
				seat.session.Msgf(textUnstored, ref)
			}
		}
	}
}

// sift takes out of a batch the rows that no store takes: one of them would keep
// back all that is committed with it, for ever.
func (s *Server) sift(b *store.Batch) {
	check := func(b store.Batch) error { return store.Check(b.Commit-1, []*store.Batch{&b}) }
	if check(*b) == nil {
		return
	}
	puts, deletes := b.Puts, b.Deletes
	b.Puts, b.Deletes = nil, nil
	refused := func(key store.Key, err error) {
		s.meter.unstored.Inc()
		s.log.Error("a row cannot be stored, and is left out", "ref", newRef(), "row", key.String(), "err", err)
	}
	for _, r := range puts {
		if err := check(store.Batch{Commit: b.Commit, Puts: []store.Row{r}}); err != nil {
			refused(r.Key, err)
			continue
		}
		b.Puts = append(b.Puts, r)
	}
	for _, k := range deletes {
		if err := check(store.Batch{Commit: b.Commit, Deletes: []store.Key{k}}); err != nil {
			refused(k, err)
			continue
		}
		b.Deletes = append(b.Deletes, k)
	}
}
