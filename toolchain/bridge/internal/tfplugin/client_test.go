package tfplugin

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/wire"
)

// What users see has neither terminal colours nor the counting of providers' error lists.
func TestDiagnosticText(t *testing.T) {
	got := Diagnostic{Summary: "1 error occurred:\n\t* \x1b[31m[ERROR]\x1b[0m no stock\n\n", Detail: ""}.Text()
	if got != "[ERROR] no stock" {
		t.Fatalf("%q", got)
	}
}

// Of a signed URL the action stays; key, signature and nonce do not, however often one is told.
func TestNoSignatureIsTold(t *testing.T) {
	url := "http://h:1/?AccessKeyId=LTAI1&Action=RunInstances&Signature=a%2Bb%3D&SignatureNonce=9&Version=2014-05-26"
	got := Diagnostic{Summary: `Post "` + url + `": EOF`, Detail: url + " again"}.Text()
	if want := `Post "http://h:1/?Action=RunInstances": EOF: http://h:1/?Action=RunInstances again`; got != want {
		t.Fatalf("%q", got)
	}
	if plain := "see https://h/doc?id=1&x=2 for more"; Unsigned(plain) != plain {
		t.Fatal("a URL that is not signed was changed")
	}
}

// A diagnostic and its path are read as the protocol encodes them, an index of zero included.
func TestDecodeDiagnostic(t *testing.T) {
	var name, index, steps, message wire.Message
	name.String(1, "ports")
	index = append(index, 0x18, 0x00) // field 3, varint 0: a oneof that is present and zero
	steps.Bytes(1, name)
	steps.Bytes(1, index)
	message.Int(1, 2)
	message.String(2, "summary")
	message.Bytes(4, steps)
	var diagnostics Diagnostics
	if err := diagnostics.decode(message); err != nil {
		t.Fatal(err)
	}
	if want := cty.GetAttrPath("ports").IndexInt(0); !diagnostics[0].Path.Equals(want) || !diagnostics[0].Warning ||
		diagnostics.Err() != nil {
		t.Fatalf("%#v", diagnostics)
	}
}

// A value survives the way through the protocol, unknowns included; a message cut short is refused.
func TestDynamicValue(t *testing.T) {
	kind := cty.Object(map[string]cty.Type{"a": cty.String, "b": cty.Set(cty.Number)})
	want := cty.ObjectVal(map[string]cty.Value{"a": cty.UnknownVal(cty.String), "b": cty.SetVal([]cty.Value{cty.Zero})})
	packed, err := dynamic(want, kind)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fromDynamic(packed, kind)
	if err != nil || !got.RawEquals(want) {
		t.Fatalf("%#v, %v", got, err)
	}
	if _, err := fromDynamic(packed[:len(packed)-1], kind); err == nil {
		t.Fatal("a message cut short was taken")
	}
}
