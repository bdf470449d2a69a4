package bench

// latencySVG draws the latencies of the first round, nil if there are none.
func (r *TargetReport) latencySVG() []byte {
	if len(r.latencies) == 0 {
		return nil
	}
	return plotSVG(&Report{Results: r.latencies})
}

func (r *TargetReport) crowdSVG() []byte {
	if len(r.Crowd) == 0 {
		return nil
	}
	return nil
}
