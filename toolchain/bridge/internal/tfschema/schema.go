// Package tfschema holds the part of a Terraform provider's schema that values need.
package tfschema

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tandem.local/toolchain/bridge/internal/wire"
)

// Nesting is how a nested block or attribute holds its objects; the numbers are the protocol's.
type Nesting int64

// The nestings of protocols 5 and 6.
const (
	Single Nesting = iota + 1
	List
	Set
	Map
	Group
)

// Schema is the schema of a resource, a data source or the provider itself.
type Schema struct {
	Version int64
	Block   *Block
}

// Block is a set of attributes and of nested blocks.
type Block struct {
	Attributes []*Attribute
	Blocks     []*NestedBlock
}

// Attribute is one attribute; Nested is set where protocol 6 gives its objects a schema of their own.
type Attribute struct {
	Name        string
	Type        cty.Type
	Nested      *NestedObject
	Description string
	Required    bool
	Optional    bool
	Computed    bool
	Sensitive   bool
	Deprecated  bool
}

// NestedObject is the schema of an attribute's objects (protocol 6).
type NestedObject struct {
	Attributes []*Attribute
	Nesting    Nesting
}

// NestedBlock is a block type inside a block.
type NestedBlock struct {
	Name     string
	Block    *Block
	Nesting  Nesting
	MinItems int64
	MaxItems int64
}

// Decode reads a Schema message of protocol 5 or 6.
func Decode(message []byte) (*Schema, error) {
	schema := &Schema{Block: &Block{}}
	err := wire.Each(message, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			schema.Version = f.Int
		case 2:
			schema.Block, err = decodeBlock(f.Bytes)
		}
		return err
	})
	return schema, err
}

func decodeBlock(message []byte) (*Block, error) {
	block := &Block{}
	err := wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case 2:
			attribute, err := decodeAttribute(f.Bytes)
			if err != nil {
				return err
			}
			block.Attributes = append(block.Attributes, attribute)
		case 3:
			nested, err := decodeNestedBlock(f.Bytes)
			if err != nil {
				return err
			}
			block.Blocks = append(block.Blocks, nested)
		}
		return nil
	})
	return block, err
}

func decodeAttribute(message []byte) (*Attribute, error) {
	attribute := &Attribute{}
	err := wire.Each(message, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			attribute.Name = string(f.Bytes)
		case 2:
			attribute.Type, err = ctyjson.UnmarshalType(f.Bytes)
		case 3:
			attribute.Description = string(f.Bytes)
		case 4:
			attribute.Required = f.Bool()
		case 5:
			attribute.Optional = f.Bool()
		case 6:
			attribute.Computed = f.Bool()
		case 7:
			attribute.Sensitive = f.Bool()
		case 9:
			attribute.Deprecated = f.Bool()
		case 10: // protocol 6's nested_type; in protocol 5 it is a boolean and has no bytes
			if f.Bytes != nil {
				attribute.Nested, err = decodeNestedObject(f.Bytes)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attribute %s: %w", attribute.Name, err)
	}
	if attribute.Nested != nil {
		attribute.Type = collection(attribute.Nested.Nesting, (&Block{Attributes: attribute.Nested.Attributes}).Type())
	}
	return attribute, nil
}

func decodeNestedObject(message []byte) (*NestedObject, error) {
	object := &NestedObject{}
	err := wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case 1:
			attribute, err := decodeAttribute(f.Bytes)
			if err != nil {
				return err
			}
			object.Attributes = append(object.Attributes, attribute)
		case 3:
			object.Nesting = Nesting(f.Int)
		}
		return nil
	})
	return object, err
}

func decodeNestedBlock(message []byte) (*NestedBlock, error) {
	nested := &NestedBlock{}
	err := wire.Each(message, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			nested.Name = string(f.Bytes)
		case 2:
			nested.Block, err = decodeBlock(f.Bytes)
		case 3:
			nested.Nesting = Nesting(f.Int)
		case 4:
			nested.MinItems = f.Int
		case 5:
			nested.MaxItems = f.Int
		}
		return err
	})
	return nested, err
}

// Type is the type of the block's values.
func (b *Block) Type() cty.Type {
	types := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks))
	for _, attribute := range b.Attributes {
		types[attribute.Name] = attribute.Type
	}
	for _, nested := range b.Blocks {
		types[nested.Name] = nested.Type()
	}
	return cty.Object(types)
}

// Type is the type of all blocks of this kind together.
func (n *NestedBlock) Type() cty.Type { return collection(n.Nesting, n.Block.Type()) }

// Empty is the value of the block when nothing is said in it: attributes null, collections of blocks empty.
func (b *Block) Empty() cty.Value {
	values := make(map[string]cty.Value, len(b.Attributes)+len(b.Blocks))
	for _, attribute := range b.Attributes {
		values[attribute.Name] = cty.NullVal(attribute.Type)
	}
	for _, nested := range b.Blocks {
		values[nested.Name] = nested.Empty()
	}
	return cty.ObjectVal(values)
}

// Empty is the value when there is no such block.
func (n *NestedBlock) Empty() cty.Value {
	switch n.Nesting {
	case List:
		return cty.ListValEmpty(n.Block.Type())
	case Set:
		return cty.SetValEmpty(n.Block.Type())
	case Map:
		return cty.MapValEmpty(n.Block.Type())
	case Group:
		return n.Block.Empty()
	default:
		return cty.NullVal(n.Block.Type())
	}
}

func collection(nesting Nesting, object cty.Type) cty.Type {
	switch nesting {
	case List:
		return cty.List(object)
	case Set:
		return cty.Set(object)
	case Map:
		return cty.Map(object)
	default:
		return object
	}
}
