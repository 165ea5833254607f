// Events by the official Go runtime: see ../README.md for what is read and written.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strconv"
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"interop/event/v1"
)

func text(value []byte) string {
	if value == nil {
		return "-"
	}
	return "=" + hex.EncodeToString(value)
}

func moleculeLine(molecule *v1.FlatMolecule) string {
	table := molecule.Table()
	scalar := func(field int, value string) string {
		if table.Offset(flatbuffers.VOffsetT(4+2*field)) == 0 {
			return "-"
		}
		return value
	}
	number, date, truth := "-", "-", "-"
	if value := molecule.NumericValue(); value != nil {
		number = fmt.Sprintf("%016x", math.Float64bits(*value))
	}
	if value := molecule.DateValue(); value != nil {
		date = strconv.FormatInt(*value, 10)
	}
	if value := molecule.BooleanValue(); value != nil {
		truth = map[bool]string{false: "0", true: "1"}[*value]
	}
	return strings.Join([]string{
		hex.EncodeToString(molecule.CoordinateHashBytes()),
		number,
		text(molecule.TextCommentary()),
		date,
		truth,
		text(molecule.ErrorValue()),
		scalar(6, strconv.FormatInt(molecule.Timestamp(), 10)),
		scalar(7, strconv.FormatUint(molecule.SecurityMask(), 10)),
	}, ",")
}

func eventLine(event *v1.AtomEvent) string {
	table := event.Table()
	molecules := "-"
	if table.Offset(4+2*6) != 0 {
		rows := make([]string, event.MoleculesLength())
		var molecule v1.FlatMolecule
		for row := range rows {
			event.Molecules(&molecule, row)
			rows[row] = moleculeLine(&molecule)
		}
		molecules = "[" + strings.Join(rows, ";") + "]"
	}
	return strings.Join([]string{
		text(event.EventId()),
		text(event.TraceId()),
		strconv.FormatInt(event.Timestamp(), 10),
		strconv.Itoa(int(event.Type())),
		text(event.TenantId()),
		text(event.UserId()),
		text(event.SchemaPayload()),
		text(event.Region()),
		molecules,
	}, " ")
}

func read(from *bufio.Reader, to *bufio.Writer) {
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(from, header); err == io.EOF {
			return
		}
		bytes := make([]byte, binary.LittleEndian.Uint32(header))
		if _, err := io.ReadFull(from, bytes); err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(to, eventLine(v1.GetRootAsAtomEvent(bytes, 0)))
	}
}

func unhex(word string) []byte {
	bytes, err := hex.DecodeString(word)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}

func integer(word string) int64 {
	value, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func unsigned(word string, base int) uint64 {
	value, err := strconv.ParseUint(word, base, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func createText(builder *flatbuffers.Builder, word string) flatbuffers.UOffsetT {
	if word == "-" {
		return 0
	}
	return builder.CreateByteString(unhex(word[1:]))
}

func createMolecule(builder *flatbuffers.Builder, row string) flatbuffers.UOffsetT {
	words := strings.Split(row, ",")
	hash := builder.CreateByteVector(unhex(words[0]))
	commentary := createText(builder, words[2])
	failure := createText(builder, words[5])
	v1.FlatMoleculeStart(builder)
	v1.FlatMoleculeAddCoordinateHash(builder, hash)
	if words[1] != "-" {
		v1.FlatMoleculeAddNumericValue(builder, math.Float64frombits(unsigned(words[1], 16)))
	}
	if commentary != 0 {
		v1.FlatMoleculeAddTextCommentary(builder, commentary)
	}
	if words[3] != "-" {
		v1.FlatMoleculeAddDateValue(builder, integer(words[3]))
	}
	if words[4] != "-" {
		v1.FlatMoleculeAddBooleanValue(builder, words[4] == "1")
	}
	if failure != 0 {
		v1.FlatMoleculeAddErrorValue(builder, failure)
	}
	if words[6] != "-" {
		v1.FlatMoleculeAddTimestamp(builder, integer(words[6]))
	}
	if words[7] != "-" {
		v1.FlatMoleculeAddSecurityMask(builder, unsigned(words[7], 10))
	}
	return v1.FlatMoleculeEnd(builder)
}

func createMolecules(builder *flatbuffers.Builder, word string) flatbuffers.UOffsetT {
	if word == "-" {
		return 0
	}
	var offsets []flatbuffers.UOffsetT
	if word != "[]" {
		for _, row := range strings.Split(word[1:len(word)-1], ";") {
			offsets = append(offsets, createMolecule(builder, row))
		}
	}
	v1.AtomEventStartMoleculesVector(builder, len(offsets))
	for row := len(offsets) - 1; row >= 0; row-- {
		builder.PrependUOffsetT(offsets[row])
	}
	return builder.EndVector(len(offsets))
}

func build(builder *flatbuffers.Builder, line string) []byte {
	builder.Reset()
	words := strings.Split(line, " ")
	texts := map[int]flatbuffers.UOffsetT{}
	for _, word := range []int{0, 1, 4, 5, 6, 7} {
		texts[word] = createText(builder, words[word])
	}
	molecules := createMolecules(builder, words[8])
	v1.AtomEventStart(builder)
	add := func(word int, to func(*flatbuffers.Builder, flatbuffers.UOffsetT)) {
		if texts[word] != 0 {
			to(builder, texts[word])
		}
	}
	add(0, v1.AtomEventAddEventId)
	add(1, v1.AtomEventAddTraceId)
	v1.AtomEventAddTimestamp(builder, integer(words[2]))
	v1.AtomEventAddType(builder, v1.EventType(integer(words[3])))
	add(4, v1.AtomEventAddTenantId)
	add(5, v1.AtomEventAddUserId)
	if molecules != 0 {
		v1.AtomEventAddMolecules(builder, molecules)
	}
	add(6, v1.AtomEventAddSchemaPayload)
	add(7, v1.AtomEventAddRegion)
	builder.Finish(v1.AtomEventEnd(builder))
	return builder.FinishedBytes()
}

func write(from *bufio.Reader, to *bufio.Writer) {
	builder := flatbuffers.NewBuilder(1024)
	for {
		line, err := from.ReadString('\n')
		if err == io.EOF {
			return
		}
		bytes := build(builder, strings.TrimSuffix(line, "\n"))
		binary.Write(to, binary.LittleEndian, uint32(len(bytes)))
		to.Write(bytes)
	}
}

func main() {
	input, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	output, err := os.Create(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	to := bufio.NewWriter(output)
	if os.Args[1] == "read" {
		read(bufio.NewReader(input), to)
	} else {
		write(bufio.NewReader(input), to)
	}
	if err := to.Flush(); err != nil {
		log.Fatal(err)
	}
}
