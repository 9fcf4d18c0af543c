package tfplugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// go-plugin's handshake: the magic cookie that Terraform's providers ask for.
const (
	magicCookieKey   = "TF_PLUGIN_MAGIC_COOKIE"
	magicCookieValue = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
	startTimeout     = 60 * time.Second
	keptLines        = 30
)

// process is a running Terraform provider. It dies with this one, whatever way this one ends.
type process struct {
	socket   string
	protocol int
	dir      string // private folder of the socket
	shared   string // file that tells other bridges of it, if any
	cmd      *exec.Cmd
	exited   chan struct{}

	mu   sync.Mutex
	last []string // the last lines it wrote, for the error if it dies
}

func startProcess(ctx context.Context, program string, log func(string)) (*process, error) {
	dir, err := os.MkdirTemp("", "tandem-bridge-")
	if err != nil {
		return nil, fmt.Errorf("no folder for the socket of %s: %w", filepath.Base(program), err)
	}
	p := &process{dir: dir, exited: make(chan struct{})}
	p.cmd = exec.Command(program)
	p.cmd.Env = append(os.Environ(), magicCookieKey+"="+magicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=5,6",
		"PLUGIN_UNIX_SOCKET_DIR="+dir, "GOMEMLIMIT="+orDefault("GOMEMLIMIT", "1GiB"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stdout, out := io.Pipe()
	stderr, errout := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = out, errout
	go p.readLog(stderr, log)
	started := make(chan error)
	go func() {
		// Pdeathsig follows the thread that forked, so that thread has to live as long as the provider.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		_ = out.Close()
		_ = errout.Close()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("%s does not start (%w): build the toolchain again with `python -m toolchain ensure`",
			program, err)
	}
	if err := p.handshake(ctx, stdout); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not come up: %w", filepath.Base(program), p.explain(err))
	}
	return p, nil
}

// handshake reads go-plugin's line CORE|PROTOCOL|NETWORK|ADDRESS|grpc|.
func (p *process) handshake(ctx context.Context, stdout io.Reader) error {
	lines := make(chan string, 1)
	go func() {
		reader := bufio.NewReader(stdout)
		line, _ := reader.ReadString('\n')
		lines <- line
		_, _ = io.Copy(io.Discard, reader)
	}()
	select {
	case line := <-lines:
		parts := strings.Split(strings.TrimSpace(line), "|")
		if len(parts) < 5 || parts[2] != "unix" || parts[4] != "grpc" {
			return fmt.Errorf("unexpected handshake %q", line)
		}
		if _, err := fmt.Sscanf(parts[1], "%d", &p.protocol); err != nil || (p.protocol != 5 && p.protocol != 6) {
			return fmt.Errorf("it speaks protocol %s, not 5 or 6", parts[1])
		}
		p.socket = parts[3]
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("no handshake within %s", startTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *process) readLog(stderr io.Reader, log func(string)) {
	reader := bufio.NewReaderSize(stderr, 4096)
	for {
		line, err := reader.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			p.mu.Lock()
			p.last = append(p.last, line)
			if len(p.last) > keptLines {
				p.last = p.last[1:]
			}
			p.mu.Unlock()
			log(line)
		}
		if err != nil {
			return
		}
	}
}

// explain adds what the provider last said to an error that came because it died.
func (p *process) explain(err error) error {
	select {
	case <-p.exited:
	case <-time.After(200 * time.Millisecond): // a dying process closes its socket just before it is gone
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.last {
		if at := strings.Index(line, "panic: "); at >= 0 {
			return fmt.Errorf("the provider crashed: %s", line[at:])
		}
	}
	if len(p.last) > 0 {
		return fmt.Errorf("the provider exited: %s", p.last[len(p.last)-1])
	}
	return errors.New("the provider exited without a word")
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.exited
	_ = os.RemoveAll(p.dir)
	if p.shared != "" {
		_ = os.Remove(p.shared)
	}
}

func orDefault(variable, value string) string {
	if set := os.Getenv(variable); set != "" {
		return set
	}
	return value
}
