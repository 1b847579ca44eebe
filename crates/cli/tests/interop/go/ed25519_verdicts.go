// What Go's crypto/ed25519 says about signatures: the peer of `crates/cli/tests/interop/ed25519.rs`.
//
// Reads lines of a public key, a signature and a message, in hex with a space between them, and
// prints 1 for each signature that verifies, 0 for each that does not.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	verdicts := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		verdict := 0
		if verifies(lines.Text()) {
			verdict = 1
		}
		fmt.Fprintln(verdicts, verdict)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	if err := verdicts.Flush(); err != nil {
		log.Fatal(err)
	}
}

func verifies(line string) bool {
	words := strings.Split(line, " ")
	if len(words) != 3 {
		log.Fatalf("not three words: %q", line)
	}
	return ed25519.Verify(unhex(words[0]), unhex(words[2]), unhex(words[1]))
}

func unhex(word string) []byte {
	bytes, err := hex.DecodeString(word)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}
