// Package tfplugin runs a Terraform provider and speaks plugin protocol 5 or 6 with it.
package tfplugin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"tandem.local/toolchain/bridge/internal/wire"
)

// Client speaks with one provider process, its own or one that another bridge owns.
type Client struct {
	protocol int
	conn     *grpc.ClientConn
	own      *process // nil for a shared one
}

// Start runs program and connects to it; log gets each line of its standard error.
func Start(ctx context.Context, program string, log func(string)) (*Client, error) {
	process, err := startProcess(ctx, program, log)
	if err != nil {
		return nil, err
	}
	client, err := dial(process.protocol, process.socket)
	if err != nil {
		process.stop()
		return nil, err
	}
	client.own = process
	return client, nil
}

func dial(protocol int, socket string) (*Client, error) {
	conn, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(wire.Codec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32),
			grpc.MaxCallSendMsgSize(math.MaxInt32)))
	if err != nil {
		return nil, fmt.Errorf("connecting to the provider: %w", err)
	}
	return &Client{protocol: protocol, conn: conn}, nil
}

// Alive tells whether the provider process is still there; a shared one is taken to be.
func (c *Client) Alive() bool { return c.own == nil || c.own.alive() }

// Close ends the connection, and the process if it is this client's own.
func (c *Client) Close() {
	_ = c.conn.Close()
	if c.own != nil {
		c.own.stop()
	}
}

// call invokes the method whose names are given for protocol 5 and 6.
func (c *Client) call(ctx context.Context, v5, v6 string, request wire.Message, do func(wire.Field) error) error {
	method := "/tfplugin5.Provider/" + v5
	if c.protocol == 6 {
		method = "/tfplugin6.Provider/" + v6
	}
	var response wire.Message
	if err := c.conn.Invoke(ctx, method, request, &response); err != nil {
		if c.own != nil && ctx.Err() == nil {
			err = c.own.explain(err)
		}
		return err
	}
	return wire.Each(response, do)
}

func dynamic(value cty.Value, kind cty.Type) (wire.Message, error) {
	packed, err := msgpack.Marshal(value, kind)
	if err != nil {
		return nil, fmt.Errorf("encoding a value: %w", err)
	}
	var message wire.Message
	message.Bytes(1, packed)
	return message, nil
}

func fromDynamic(message []byte, kind cty.Type) (value cty.Value, err error) {
	value = cty.NullVal(kind)
	err = wire.Each(message, func(f wire.Field) (err error) {
		switch {
		case f.Number == 1 && len(f.Bytes) > 0:
			value, err = msgpack.Unmarshal(f.Bytes, kind)
		case f.Number == 2 && len(f.Bytes) > 0:
			value, err = ctyjson.Unmarshal(f.Bytes, kind)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("decoding a value of the provider: %w", err)
	}
	return value, err
}

// Diagnostic is an error or a warning of the provider.
type Diagnostic struct {
	Warning bool
	Summary string
	Detail  string
	Path    cty.Path
}

// Text is the diagnostic as one paragraph, without the terminal colours and the counting of providers' error lists.
func (d Diagnostic) Text() string {
	summary, detail := clean(d.Summary), clean(d.Detail)
	if detail == "" || detail == summary {
		return summary
	}
	return summary + ": " + detail
}

var (
	colour   = regexp.MustCompile("\x1b\\[[0-9;]*m")
	oneError = regexp.MustCompile(`^1 error occurred:\s*\*\s*`)
	signed   = regexp.MustCompile(`\?[^\s"?]*\b(?:Signature|X-Amz-Signature)=[^\s"]*`)
	action   = regexp.MustCompile(`\bAction=\w+`)
)

func clean(text string) string {
	return strings.TrimSpace(oneError.ReplaceAllString(colour.ReplaceAllString(Unsigned(text), ""), ""))
}

// Unsigned leaves of the query of a signed URL only the action: key and signature are nobody's to read.
func Unsigned(text string) string {
	return signed.ReplaceAllStringFunc(text, func(query string) string {
		if named := action.FindString(query); named != "" {
			return "?" + named
		}
		return ""
	})
}

// Diagnostics is what a call had to say.
type Diagnostics []Diagnostic

// Err joins the errors into one, or returns nil.
func (d Diagnostics) Err() error {
	var all []error
	for _, diagnostic := range d {
		if !diagnostic.Warning {
			all = append(all, errors.New(diagnostic.Text()))
		}
	}
	return errors.Join(all...)
}

func (d *Diagnostics) decode(message []byte) error {
	var one Diagnostic
	err := wire.Each(message, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			one.Warning = f.Int == 2
		case 2:
			one.Summary = string(f.Bytes)
		case 3:
			one.Detail = string(f.Bytes)
		case 4:
			one.Path, err = decodePath(f.Bytes)
		}
		return err
	})
	*d = append(*d, one)
	return err
}

func decodePath(message []byte) (cty.Path, error) {
	var path cty.Path
	err := wire.Each(message, func(step wire.Field) error {
		// A step is a oneof: an index of 0 may be encoded by its mere presence.
		return wire.Each(step.Bytes, func(f wire.Field) error {
			switch f.Number {
			case 1:
				path = path.GetAttr(string(f.Bytes))
			case 2:
				path = path.IndexString(string(f.Bytes))
			case 3:
				path = path.IndexInt(int(f.Int))
			}
			return nil
		})
	})
	return path, err
}
