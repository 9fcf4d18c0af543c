package server

import (
	"context"
	"sync"

	"tandem.local/toolchain/bridge/internal/tfplugin"
)

// runner starts a provider process when the first call needs one, and again should it have died.
type runner struct {
	start  func(context.Context) (*tfplugin.Client, error)
	mu     sync.Mutex
	client *tfplugin.Client
}

func (r *runner) get(ctx context.Context) (*tfplugin.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client.Alive() {
		return r.client, nil
	}
	r.drop()
	client, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	r.client = client
	return client, nil
}

func (r *runner) running() *tfplugin.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client
}

func (r *runner) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *runner) drop() {
	if r.client != nil {
		r.client.Close()
		r.client = nil
	}
}
