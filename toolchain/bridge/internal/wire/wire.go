// Package wire reads and writes protobuf messages field by field.
//
// Terraform's plugin protocols 5 and 6 publish their generated stubs in internal packages only. The bridge needs a
// dozen small messages of them, the same in both versions, so it encodes them by field number.
package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is an encoded protobuf message under construction.
type Message []byte

// String appends a string field; an empty one is left out, as in proto3.
func (m *Message) String(number protowire.Number, value string) {
	if value != "" {
		m.Bytes(number, []byte(value))
	}
}

// Bytes appends a bytes field or an encoded sub-message, also when it is empty.
func (m *Message) Bytes(number protowire.Number, value []byte) {
	*m = protowire.AppendTag(*m, number, protowire.BytesType)
	*m = protowire.AppendBytes(*m, value)
}

// Int appends a varint field; zero is left out, as in proto3.
func (m *Message) Int(number protowire.Number, value int64) {
	if value != 0 {
		*m = protowire.AppendTag(*m, number, protowire.VarintType)
		*m = protowire.AppendVarint(*m, uint64(value))
	}
}

// Field is one field of a message: Bytes for strings, bytes and sub-messages, Int for numbers, enums and booleans.
type Field struct {
	Number protowire.Number
	Int    int64
	Bytes  []byte
}

// Bool tells whether a boolean field is set.
func (f Field) Bool() bool { return f.Int != 0 }

// Each calls do for every varint or bytes field of message, in order; other kinds of field are skipped.
func Each(message []byte, do func(Field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("malformed message: %w", protowire.ParseError(n))
		}
		message = message[n:]
		field := Field{Number: number}
		switch kind {
		case protowire.VarintType:
			var value uint64
			value, n = protowire.ConsumeVarint(message)
			field.Int = int64(value)
		case protowire.BytesType:
			field.Bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
			if n >= 0 {
				message = message[n:]
				continue
			}
		}
		if n < 0 {
			return fmt.Errorf("malformed message: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if err := do(field); err != nil {
			return err
		}
	}
	return nil
}

// Codec passes encoded messages through gRPC as they are.
type Codec struct{}

// Marshal takes a Message.
func (Codec) Marshal(v any) ([]byte, error) {
	message, ok := v.(Message)
	if !ok {
		return nil, errors.New("wire.Codec encodes wire.Message only")
	}
	return message, nil
}

// Unmarshal fills a *Message with a copy of data, which gRPC uses again.
func (Codec) Unmarshal(data []byte, v any) error {
	message, ok := v.(*Message)
	if !ok {
		return errors.New("wire.Codec decodes into *wire.Message only")
	}
	*message = append((*message)[:0], data...)
	return nil
}

// Name is the content subtype: what travels is ordinary protobuf.
func (Codec) Name() string { return "proto" }
