package change

import (
	"maps"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfschema"
)

func block() *tfschema.Block {
	rule := &tfschema.Block{Attributes: []*tfschema.Attribute{
		{Name: "port", Type: cty.Number, Required: true},
		{Name: "rule_id", Type: cty.String, Computed: true},
	}}
	return &tfschema.Block{
		Attributes: []*tfschema.Attribute{
			{Name: "id", Type: cty.String, Computed: true, Optional: true},
			{Name: "name", Type: cty.String, Optional: true},
			{Name: "address", Type: cty.String, Optional: true, Computed: true},
			{Name: "tags", Type: cty.Map(cty.String), Optional: true},
			{Name: "word", Type: cty.List(cty.String), Optional: true},
		},
		Blocks: []*tfschema.NestedBlock{
			{Name: "rule", Block: rule, Nesting: tfschema.Set},
			{Name: "disk", Block: rule, Nesting: tfschema.List, MaxItems: 1},
		},
	}
}

// value is the block's empty value with some attributes set.
func value(set map[string]cty.Value) cty.Value {
	values := block().Empty().AsValueMap()
	maps.Copy(values, set)
	return cty.ObjectVal(values)
}

func rule(port int64, id cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"port": cty.NumberIntVal(port), "rule_id": id})
}

var noID = cty.NullVal(cty.String)

// The proposal keeps what only the provider knows, pairs set elements by what is said of them, and drops the rest.
func TestProposed(t *testing.T) {
	prior := value(map[string]cty.Value{
		"id": cty.StringVal("i-1"), "name": cty.StringVal("old"), "address": cty.StringVal("10.0.0.1"),
		"rule": cty.SetVal([]cty.Value{rule(80, cty.StringVal("r80")), rule(443, cty.StringVal("r443"))}),
	})
	config := value(map[string]cty.Value{
		"name": cty.StringVal("new"), "rule": cty.SetVal([]cty.Value{rule(443, noID), rule(22, noID)}),
	})
	want := value(map[string]cty.Value{
		"id": cty.StringVal("i-1"), "name": cty.StringVal("new"), "address": cty.StringVal("10.0.0.1"),
		"rule": cty.SetVal([]cty.Value{rule(443, cty.StringVal("r443")), rule(22, noID)}),
	})
	if got := Proposed(block(), prior, config); !got.RawEquals(want) {
		t.Fatalf("want %#v\ngot  %#v", want, got)
	}
	if got := Proposed(block(), cty.NullVal(block().Type()), config); !got.RawEquals(config) {
		t.Fatalf("a creation proposes the configuration, not %#v", got)
	}
}

// Without the provider's plan, what it will compute is unknown, in blocks too, and what is set is known.
func TestUnplanned(t *testing.T) {
	got := Unplanned(block(), value(map[string]cty.Value{
		"address": cty.StringVal("10.0.0.9"), "disk": cty.ListVal([]cty.Value{rule(1, noID)}),
	}))
	disk := got.GetAttr("disk").AsValueSlice()[0]
	if got.GetAttr("id").IsKnown() || !got.GetAttr("address").IsKnown() || !got.GetAttr("name").IsNull() ||
		disk.GetAttr("rule_id").IsKnown() || !disk.GetAttr("port").IsKnown() {
		t.Fatalf("%#v", got)
	}
}

// Changes are named by Pulumi path; a path that forces replacement counts where something changes in or around it.
func TestDetails(t *testing.T) {
	node := shape.Build(block(), nil)
	prior := value(map[string]cty.Value{
		"id": cty.StringVal("i-1"), "name": cty.StringVal(""), "address": cty.StringVal("a"),
		"tags": cty.MapVal(map[string]cty.Value{"x.y": cty.StringVal("1"), "z": cty.StringVal("2")}),
		"word": cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
		"disk": cty.ListVal([]cty.Value{rule(1, cty.StringVal("d"))}),
		"rule": cty.SetVal([]cty.Value{rule(80, noID)}),
	})
	planned := value(map[string]cty.Value{
		"id": cty.UnknownVal(cty.String), "address": cty.UnknownVal(cty.String),
		"tags": cty.MapVal(map[string]cty.Value{"x.y": cty.StringVal("3"), "z": cty.StringVal("2")}),
		"word": cty.ListVal([]cty.Value{cty.StringVal("a")}),
		"disk": cty.ListVal([]cty.Value{rule(2, cty.StringVal("d"))}),
		"rule": cty.SetVal([]cty.Value{rule(80, noID), rule(90, noID)}),
	})
	got := Details(node, prior, planned, []cty.Path{
		cty.GetAttrPath("id"), cty.GetAttrPath("name"),
		cty.GetAttrPath("disk").IndexInt(0).GetAttr("port"), cty.GetAttrPath("word"),
	})
	want := map[string]Detail{
		"address":     {Update, false},
		`tags["x.y"]`: {Update, false},
		"words[1]":    {Delete, true},
		"disk.port":   {Update, true},
		"rules[1]":    {Add, false},
	}
	if !maps.Equal(got, want) {
		t.Fatalf("want %v\ngot  %v", want, got)
	}
	if same := Details(node, prior, prior, []cty.Path{cty.GetAttrPath("name")}); len(same) != 0 {
		t.Fatalf("nothing changes, but %v", same)
	}
}
