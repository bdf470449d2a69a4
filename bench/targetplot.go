package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// latencySVG draws the latencies of the first round, nil if there are none.
func (r *TargetReport) latencySVG() []byte {
	if len(r.latencies) == 0 {
		return nil
	}
	return plotSVG(&Report{Results: r.latencies})
}

// crowdSVG draws how many deliveries a second came of how many that were offered, on
// logarithmic axes; nil if there is nothing. What did not keep up is hollow.
func (r *TargetReport) crowdSVG() []byte {
	if len(r.Crowd) == 0 {
		return nil
	}
	least, most := math.Inf(1), 0.0
	for _, c := range r.Crowd {
		least, most = min(least, c.Lines), max(most, c.Lines)
	}
	lowX, highX := math.Log10(least), math.Log10(max(most, least*10))
	lowY, highY := math.Inf(1), 0.0
	for _, c := range r.Crowd {
		lowY, highY = min(lowY, max(c.Deliveries, 1)), max(highY, c.Deliveries)
	}
	lowY, highY = math.Floor(math.Log10(lowY)), math.Ceil(math.Log10(max(highY, 1)))
	highY = max(highY, lowY+1)
	x := func(v float64) float64 { return plotLeft + (math.Log10(v)-lowX)/(highX-lowX)*plotPlainW }
	y := func(v float64) float64 {
		return plotTop + (highY-math.Log10(max(v, 1)))/(highY-lowY)*plotPlainH
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
		xml.EscapeText(&b, []byte(s))
		b.WriteString("</text>\n")
	}
	line := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#cccccc"/>`+"\n", x1, y1, x2, y2)
	}
	text(plotLeft, 24, "start", "Deliveries a second by lines a second; hollow: it did not keep up")
	for n := lowY; n <= highY; n++ {
		v := math.Pow(10, n)
		line(plotLeft, y(v), plotLeft+plotPlainW, y(v))
		text(plotLeft-8, y(v)+4, "end", fmt.Sprintf("%g", v))
	}
	for _, v := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000} {
		if at := math.Log10(v); at < lowX-1e-9 || at > highX+1e-9 {
			continue
		}
		line(x(v), plotTop, x(v), plotTop+plotPlainH)
		text(x(v), plotTop+plotPlainH+18, "middle", fmt.Sprintf("%g", v))
	}
	text(plotLeft+plotPlainW/2, plotHeight-14, "middle", "lines a second, of all speakers")
	colours := plotColours()
	for i, who := range []string{"game", "hall"} {
		for _, c := range r.Crowd {
			if c.Who != who {
				continue
			}
			fill := colours[i]
			if !c.KeptUp {
				fill = "white"
			}
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="5" stroke="%s" stroke-width="2" fill="%s"/>`+"\n", x(c.Lines), y(c.Deliveries), colours[i], fill)
		}
		top := float64(plotTop + 20*i)
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="12" height="12" fill="%s"/>`+"\n", plotWidth-plotRight+16, top, colours[i])
		text(plotWidth-plotRight+34, top+11, "start", map[string]string{"game": "game", "hall": "bare loop of writes"}[who])
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
