package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// copies is remote.CopyToRemote: a file, a directory or a text, copied by SFTP. What was copied stays when the
// resource is deleted.
type copies struct{}

type copyProperties struct {
	Connection *connection `json:"connection"`
	RemotePath string      `json:"remotePath"`
	Triggers   []any       `json:"triggers"`
}

func (copies) newID(string) string { return uniqueHex("") }

func (copies) check(inputs *structpb.Struct) []*pulumirpc.CheckFailure {
	failures := append(checkTypes(inputs, &copyProperties{}), checkConnection(inputs)...)
	if inputs.Fields["remotePath"] == nil {
		failures = append(failures, failed("remotePath", "is required: where the copy goes")...)
	}
	value := inputs.Fields["source"]
	if value == nil || wire.HasUnknowns(value) {
		if value == nil {
			failures = append(failures, failed("source", "is required: a FileAsset, a StringAsset or a FileArchive")...)
		}
		return failures
	}
	switch source := wire.AsSource(value); {
	case source.Asset && source.Path == "" && !source.IsText:
		failures = append(failures, failed("source", "an asset must be a FileAsset or a StringAsset")...)
	case source.Archive && source.Path == "":
		failures = append(failures, failed("source", "an archive must be a FileArchive")...)
	case !source.Asset && !source.Archive:
		failures = append(failures, failed("source", "must be a FileAsset, a StringAsset or a FileArchive")...)
	}
	return failures
}

func (copies) preview(_, _ *structpb.Struct) map[string]*structpb.Value { return nil }

func (c copies) create(ctx context.Context, task task, inputs *structpb.Struct) (map[string]*structpb.Value, error) {
	return nil, c.copy(ctx, task, inputs)
}

// update copies again only when the content or the path is another one.
func (c copies) update(
	ctx context.Context, task task, state, _, inputs *structpb.Struct,
) (map[string]*structpb.Value, error) {
	olds, news := copyProperties{}, copyProperties{}
	if err := errors.Join(decode(state, &olds), decode(inputs, &news)); err != nil {
		return nil, err
	}
	before, now := wire.AsSource(state.GetFields()["source"]), wire.AsSource(inputs.GetFields()["source"])
	if before.Hash == now.Hash && olds.RemotePath == news.RemotePath {
		return nil, nil
	}
	return nil, c.copy(ctx, task, inputs)
}

func (copies) delete(context.Context, task, *structpb.Struct) error { return nil }

func (copies) copy(ctx context.Context, task task, inputs *structpb.Struct) error {
	properties := copyProperties{}
	if err := decode(inputs, &properties); err != nil {
		return err
	}
	client, err := properties.Connection.dial(ctx, task)
	if err != nil {
		return err
	}
	defer client.Close()
	// Each file is written once, front to back, so a failed concurrent write can't leave a hole behind a success.
	remote, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return err
	}
	defer remote.Close()
	source := wire.AsSource(inputs.Fields["source"])
	if source.IsText {
		return copyText(remote, source.Text, properties.RemotePath)
	}
	return copyPath(remote, source.Path, properties.RemotePath)
}

func copyText(remote *sftp.Client, text, target string) error {
	info, err := stat(remote, target)
	if err != nil {
		return err
	}
	if info != nil && info.IsDir() {
		return fmt.Errorf("remote path %s is a directory: give the path of a file for a text", target)
	}
	if err := makeParents(remote, target); err != nil {
		return err
	}
	return write(remote, strings.NewReader(text), "the text", target)
}

// copyPath copies a file or a directory:
//
//	source | target is a directory | target is missing | target is a file
//	dir    | target/dir            | target/dir        | error
//	dir/   | its content to target | its content       | error
//	file   | target/file           | target            | overwritten
//
// Folders above a target that is missing are made.
func copyPath(remote *sftp.Client, source, target string) error {
	local, err := os.Stat(source)
	if err != nil {
		return err
	}
	info, err := stat(remote, target)
	if err != nil {
		return err
	}
	if !local.IsDir() {
		if info != nil && info.IsDir() {
			target = path.Join(target, filepath.Base(source))
		} else if err := makeParents(remote, target); err != nil {
			return err
		}
		return copyFile(remote, source, target)
	}
	if info == nil {
		if err := makeParents(remote, target); err != nil {
			return err
		}
	}
	if err := mkdir(remote, target); err != nil {
		return err
	}
	if !strings.HasSuffix(source, "/") {
		target = path.Join(target, filepath.Base(source))
	}
	// DirFS, unlike filepath.WalkDir, follows a source that is a symbolic link to a directory.
	return fs.WalkDir(os.DirFS(source), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		copied := path.Join(target, name)
		if entry.IsDir() {
			return mkdir(remote, copied)
		}
		return copyFile(remote, filepath.Join(source, filepath.FromSlash(name)), copied)
	})
}

func makeParents(remote *sftp.Client, target string) error {
	if err := remote.MkdirAll(path.Dir(target)); err != nil {
		return fmt.Errorf("failed to create parent directories for %s: %w", target, err)
	}
	return nil
}

func mkdir(remote *sftp.Client, target string) error {
	info, err := stat(remote, target)
	switch {
	case err != nil:
		return err
	case info != nil && info.IsDir():
		return nil
	case info != nil:
		return fmt.Errorf("remote path %s exists but is not a directory", target)
	}
	if err := remote.Mkdir(target); err != nil {
		return fmt.Errorf("failed to create remote directory %s: %w", target, err)
	}
	return nil
}

func copyFile(remote *sftp.Client, source, target string) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	return write(remote, file, "file "+source, target)
}

func write(remote *sftp.Client, content io.Reader, what, target string) error {
	file, err := remote.Create(target)
	if err != nil {
		return fmt.Errorf("failed to create remote file %s: %w", target, err)
	}
	_, err = file.ReadFrom(content)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("failed to copy %s to remote path %s: %w", what, target, err)
	}
	return nil
}

// stat returns nil when there is nothing at the path.
func stat(remote *sftp.Client, target string) (fs.FileInfo, error) {
	info, err := remote.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to stat remote path %s: %w", target, err)
	}
	return info, nil
}
