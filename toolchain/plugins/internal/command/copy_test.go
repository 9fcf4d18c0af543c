package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	sigKey  = "4dabf18193072939515e22adb298388d"
	asset   = "c44067f5952c0a294b673a41bacd8c17"
	archive = "0def7320c3a5731c473e5ecbe6d01bc7"
)

func copyInputs(t *testing.T, server *sshServer, target string, source map[string]any) *structpb.Struct {
	t.Helper()
	return properties(t, map[string]any{"connection": server.connection(nil), "remotePath": target, "source": source})
}

func TestCopyToRemoteCopiesFilesTextsAndFolders(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	local, remote := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(local, "tree", "sub"), 0o700))
	must(t, os.WriteFile(filepath.Join(local, "tree", "sub", "leaf"), []byte("leaf"), 0o600))
	must(t, os.WriteFile(filepath.Join(local, "file"), []byte("content"), 0o600))
	for _, test := range []struct {
		source         map[string]any
		target, copied string
		content        string
	}{
		{map[string]any{sigKey: asset, "path": local + "/file", "hash": "1"}, "/new", "/new", "content"},
		{map[string]any{sigKey: asset, "path": local + "/file", "hash": "1"}, "", "/file", "content"},
		{map[string]any{sigKey: asset, "path": local + "/file", "hash": "1"}, "/made/for/it", "/made/for/it", "content"},
		{map[string]any{sigKey: asset, "text": "deep", "hash": "4"}, "/other/text", "/other/text", "deep"},
		{map[string]any{sigKey: asset, "text": "words", "hash": "2"}, "/text", "/text", "words"},
		{map[string]any{sigKey: archive, "path": local + "/tree", "hash": "3"}, "/a", "/a/tree/sub/leaf", "leaf"},
		{map[string]any{sigKey: archive, "path": local + "/tree/", "hash": "3"}, "/b", "/b/sub/leaf", "leaf"},
	} {
		_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
			Urn: urn("command:remote:CopyToRemote"), Properties: copyInputs(t, server, remote+test.target, test.source),
		})
		must(t, err)
		content, err := os.ReadFile(remote + test.copied)
		must(t, err)
		if string(content) != test.content {
			t.Errorf("%v: %q", test.source, content)
		}
	}
}

func TestCopyToRemoteCopiesAgainOnlyForOtherContentOrPath(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	target := t.TempDir() + "/text"
	olds := copyInputs(t, server, target, map[string]any{sigKey: asset, "text": "one", "hash": "1"})
	for _, test := range []struct {
		hash string
		want bool
	}{{"1", false}, {"2", true}} {
		news := copyInputs(t, server, target, map[string]any{sigKey: asset, "text": "two", "hash": test.hash})
		_, err := p.Update(context.Background(), &pulumirpc.UpdateRequest{
			Urn: urn("command:remote:CopyToRemote"), Olds: olds, News: news,
		})
		must(t, err)
		if _, err := os.Stat(target); (err == nil) != test.want {
			t.Errorf("hash %s: copied %v, want %v", test.hash, err == nil, test.want)
		}
	}
}

func TestCopyOfAFolderOntoAFileFails(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	target := t.TempDir() + "/file"
	touch(t, target)
	_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn:        urn("command:remote:CopyToRemote"),
		Properties: copyInputs(t, server, target, map[string]any{sigKey: archive, "path": t.TempDir(), "hash": "1"}),
	})
	wantError(t, err, "exists but is not a directory")
}
