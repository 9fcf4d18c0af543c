// Package wire reads and writes property values as Pulumi's engine encodes them in protobuf structs.
//
// The constants are those of sdk/v3 (go/common/resource/sig and go/common/resource/plugin/rpc.go); that code itself
// would add some 30 MB and 20 ms of start-up to a plugin.
package wire

import (
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	sigKey     = "4dabf18193072939515e22adb298388d"
	secretSig  = "1b47061264138c4ac30d75fd1eb44270"
	assetSig   = "c44067f5952c0a294b673a41bacd8c17"
	archiveSig = "0def7320c3a5731c473e5ecbe6d01bc7"
	// unknownString is what an output that is not known yet is sent as, whatever its type turns out to be.
	unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
)

var unknowns = map[string]bool{
	unknownString:                          true,
	"1c4a061d-8072-4f0a-a4cb-0ff528b18fe7": true, // bool
	"3eeb2bf0-c639-47a8-9e75-3b44932eb421": true, // number
	"6a19a0b0-7e62-4c92-b797-7f8e31da9cc2": true, // array
	"030794c1-ac77-496b-92df-f27374a8bd58": true, // asset
	"e48ece36-62e2-4504-bad9-02848725956a": true, // archive
	"dd056dcd-154b-4c76-9bd3-c8f88648b5ff": true, // object
}

// Unknown returns the value that stands for an output not known yet.
func Unknown() *structpb.Value { return structpb.NewStringValue(unknownString) }

// IsUnknown tells whether v itself is not known yet.
func IsUnknown(v *structpb.Value) bool {
	s, ok := v.GetKind().(*structpb.Value_StringValue)
	return ok && unknowns[s.StringValue]
}

// HasUnknowns tells whether v, or anything in it, is not known yet.
func HasUnknowns(v *structpb.Value) bool {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_ListValue:
		for _, item := range kind.ListValue.Values {
			if HasUnknowns(item) {
				return true
			}
		}
	case *structpb.Value_StructValue:
		for _, item := range kind.StructValue.Fields {
			if HasUnknowns(item) {
				return true
			}
		}
	}
	return IsUnknown(v)
}

// Secret wraps v as a secret, unless it is one.
func Secret(v *structpb.Value) *structpb.Value {
	if IsSecret(v) {
		return v
	}
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		sigKey:  structpb.NewStringValue(secretSig),
		"value": v,
	}})
}

// IsSecret tells whether v is a secret (not whether it holds one).
func IsSecret(v *structpb.Value) bool { return signature(v) == secretSig }

// HasSecrets tells whether v, or anything in it, is a secret.
func HasSecrets(v *structpb.Value) bool {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_ListValue:
		for _, item := range kind.ListValue.Values {
			if HasSecrets(item) {
				return true
			}
		}
	case *structpb.Value_StructValue:
		for _, item := range kind.StructValue.Fields {
			if HasSecrets(item) {
				return true
			}
		}
	}
	return IsSecret(v)
}

// Reveal returns v without the secret that may wrap it.
func Reveal(v *structpb.Value) *structpb.Value {
	for IsSecret(v) {
		v = v.GetStructValue().Fields["value"]
	}
	return v
}

// Plain returns v as JSON-like Go values, secrets revealed, unknowns and nulls left out.
func Plain(v *structpb.Value) any {
	v = Reveal(v)
	switch kind := v.GetKind().(type) {
	case *structpb.Value_ListValue:
		list := make([]any, 0, len(kind.ListValue.Values))
		for _, item := range kind.ListValue.Values {
			list = append(list, Plain(item))
		}
		return list
	case *structpb.Value_StructValue:
		return PlainStruct(kind.StructValue)
	}
	if IsUnknown(v) {
		return nil
	}
	return v.AsInterface()
}

// PlainStruct is Plain for a struct.
func PlainStruct(s *structpb.Struct) map[string]any {
	fields := make(map[string]any, len(s.GetFields()))
	for name, item := range s.GetFields() {
		if plain := Plain(item); plain != nil {
			fields[name] = plain
		}
	}
	return fields
}

// Source is what a CopyToRemote copies: the text, or the file or directory at Path. Exactly one of Asset and Archive
// is set; an asset without a path and an archive made of parts have neither path nor text.
type Source struct {
	Asset, Archive   bool
	Hash, Path, Text string
	IsText           bool
}

// AsSource reads an asset or an archive; both flags are false for any other value.
func AsSource(v *structpb.Value) Source {
	v = Reveal(v)
	sig := signature(v)
	fields := v.GetStructValue().GetFields()
	text, isText := fields["text"].GetKind().(*structpb.Value_StringValue)
	source := Source{
		Asset: sig == assetSig, Archive: sig == archiveSig,
		Hash: fields["hash"].GetStringValue(), Path: fields["path"].GetStringValue(),
	}
	if isText && source.Path == "" {
		source.IsText, source.Text = true, text.StringValue
	}
	return source
}

// FileAsset is the file at path, as a result.
func FileAsset(path, hash string) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		sigKey: structpb.NewStringValue(assetSig), "hash": structpb.NewStringValue(hash), "path": structpb.NewStringValue(path),
		"text": structpb.NewStringValue(""), "uri": structpb.NewStringValue(""),
	}})
}

// Archive is an archive made of assets, as a result.
func Archive(assets map[string]*structpb.Value) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		sigKey: structpb.NewStringValue(archiveSig), "assets": structpb.NewStructValue(&structpb.Struct{Fields: assets}),
		"path": structpb.NewStringValue(""), "uri": structpb.NewStringValue(""),
	}})
}

func signature(v *structpb.Value) string {
	return v.GetStructValue().GetFields()[sigKey].GetStringValue()
}
