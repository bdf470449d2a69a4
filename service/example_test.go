package service_test

import (
	"context"
	"fmt"
	"log/slog"

	"mudlark.dev/service"
)

func ExampleGroup() {
	g := service.NewGroup(slog.New(slog.DiscardHandler))
	ran := make(chan struct{})
	lamp := service.Func("lamp", func(ctx context.Context) error {
		close(ran)
		<-ctx.Done()
		return nil
	})
	if err := g.Plugin("light", func() error { return g.Add(lamp) }); err != nil {
		fmt.Println(err)
	}
	fmt.Println(g.Add(lamp))
	if err := g.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	<-ran
	g.Stop()
	fmt.Printf("%+v\n", g.Status())
	// Output:
	// service: name is taken: "lamp" of built-in, added before by plugin light
	// [{Name:lamp Owner:plugin light Addr: State:stopped Error:}]
}
