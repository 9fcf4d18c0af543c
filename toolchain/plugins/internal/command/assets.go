package command

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gobwas/glob"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// assets are the files below directory that the patterns name, by their paths from there. Patterns are tried in their
// order; one that starts with "!" takes files away again.
func assets(directory string, patterns []string) (map[string]*structpb.Value, error) {
	type rule struct {
		glob.Glob
		exclude bool
	}
	var rules []rule
	for _, pattern := range patterns {
		text, exclude := strings.CutPrefix(pattern, "!")
		compiled, err := glob.Compile(text, '/')
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{compiled, exclude})
	}
	chosen := map[string]bool{}
	err := fs.WalkDir(os.DirFS(directory), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		for _, rule := range rules {
			if rule.Match(name) {
				chosen[name] = !rule.exclude
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := map[string]*structpb.Value{}
	for name, wanted := range chosen {
		if wanted {
			file := path.Join(directory, name)
			hash, err := contentHash(file)
			if err != nil {
				return nil, err
			}
			found[name] = wire.FileAsset(file, hash)
		}
	}
	return found, nil
}

func contentHash(file string) (string, error) {
	opened, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, opened); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
