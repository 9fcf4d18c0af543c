package tfplugin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

type sharedAddress struct {
	Socket   string
	Protocol int
}

// StartShared connects to the provider process that the bridges of one engine have in common for calls that need no
// configuration, and starts it if there is none. Pulumi runs one bridge per explicit provider, so that 64 machines
// are 64 bridges: validating in one process instead of 64 is what keeps such a preview quick. The process belongs to
// the bridge that started it; the others start their own should it be gone.
func StartShared(ctx context.Context, program, engine string, log func(string)) (*Client, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tandem-bridge-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() || info.Mode().Perm() != 0o700 {
		return nil, fmt.Errorf("%s is not a private folder of this user: remove it", dir)
	}
	digest := sha256.Sum256([]byte(program + "\x00" + engine))
	file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%x", digest[:8])), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	var address sharedAddress
	if json.NewDecoder(file).Decode(&address) == nil {
		if conn, err := net.DialTimeout("unix", address.Socket, time.Second); err == nil {
			_ = conn.Close()
			return dial(address.Protocol, address.Socket)
		}
	}
	client, err := Start(ctx, program, log)
	if err != nil {
		return nil, err
	}
	client.own.shared = file.Name()
	text, err := json.Marshal(sharedAddress{client.own.socket, client.own.protocol})
	if err == nil {
		err = errors.Join(file.Truncate(0), ignore(file.WriteAt(text, 0)))
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

func ignore(_ int, err error) error { return err }
