// A TLS 1.3 client or server on Go's crypto/tls, driven by flags, for interop tests.
//
// Either side prints one JSON line for each connection when its handshake is done, and one when it has ended.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

var (
	listen  = flag.Bool("listen", false, "be a server on a free port of 127.0.0.1, and print it")
	connect = flag.String("connect", "", "be a client: host:port")
	count   = flag.Int("count", 1, "client: connections one after the other, sharing a session cache")
	cert    = flag.String("cert", "", "own certificate, PEM")
	key     = flag.String("key", "", "its key, PEM")
	ca      = flag.String("ca", "", "authorities of the peer, PEM; a server that has them demands a client certificate")
	curves  = flag.String("curves", "", "groups by preference, with commas between; empty: Go's default")
	tickets = flag.Bool("tickets", true, "issue or use session tickets")
	alpn    = flag.String("alpn", "", "application protocols, with commas between")
	data    = flag.String("data", "", "file to send; empty: one short line")
	closing = flag.String("close", "first", "who closes first: first (this side, right after its data), half (this side's writing half), last (the peer)")
)

var groups = map[string]tls.CurveID{
	"x25519": tls.X25519, "secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384, "secp521r1": tls.CurveP521,
	"X25519MLKEM768": tls.X25519MLKEM768,
}

type report struct {
	Event    string `json:"event"`
	Resumed  bool   `json:"resumed"`
	Suite    string `json:"suite"`
	Group    string `json:"group"`
	ALPN     string `json:"alpn"`
	Retried  bool   `json:"retried"`
	Peers    int    `json:"peerCertificates"`
	Exporter string `json:"exporter"`
	Received int64  `json:"received"`
	Hash     string `json:"hash"`
	Error    string `json:"error"`
}

func main() {
	flag.Parse()
	config, err := makeConfig()
	if err == nil {
		if *listen {
			err = serve(config)
		} else {
			for i := 0; i < *count && err == nil; i++ {
				err = dial(config)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func makeConfig() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		ServerName:             "localhost",
		SessionTicketsDisabled: !*tickets,
		ClientSessionCache:     tls.NewLRUClientSessionCache(8),
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in " + *ca)
		}
		config.RootCAs, config.ClientCAs = pool, pool
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	for _, name := range split(*curves) {
		group, known := groups[name]
		if !known {
			return nil, errors.New("no group " + name)
		}
		config.CurvePreferences = append(config.CurvePreferences, group)
	}
	config.NextProtos = split(*alpn)
	return config, nil
}

func split(names string) []string {
	if names == "" {
		return nil
	}
	return strings.Split(names, ",")
}

func serve(config *tls.Config) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		if err := talk(tls.Server(socket, config)); err != nil {
			print(report{Event: "failed", Error: err.Error()})
		}
	}
}

func dial(config *tls.Config) error {
	connection, err := tls.Dial("tcp", *connect, config)
	if err != nil {
		return err
	}
	return talk(connection)
}

// Sends the data while it receives until the peer's close_notify, then closes; or as -close says.
func talk(connection *tls.Conn) error {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		return err
	}
	state := connection.ConnectionState()
	keying, err := state.ExportKeyingMaterial("EXPORTER-tessera", []byte("context"), 32)
	if err != nil {
		return err
	}
	print(report{
		Event: "secure", Resumed: state.DidResume, Suite: tls.CipherSuiteName(state.CipherSuite), Group: groupName(state.CurveID),
		ALPN: state.NegotiatedProtocol, Retried: state.HelloRetryRequest, Peers: len(state.PeerCertificates),
		Exporter: hex.EncodeToString(keying),
	})

	sent := make(chan error, 1)
	go func() { sent <- send(connection) }()
	hash := sha256.New()
	if *closing == "first" {
		// Whatever came with the peer's first record, such as tickets, has been read when this returns.
		one := make([]byte, 1)
		if _, err := io.ReadFull(connection, one); err != nil {
			return err
		}
		if err := <-sent; err != nil {
			return err
		}
		print(report{Event: "closing"})
		return connection.Close()
	}
	received, err := io.Copy(hash, connection)
	if err == nil {
		err = <-sent
	}
	if err != nil {
		return err
	}
	print(report{Event: "ended", Received: received, Hash: hex.EncodeToString(hash.Sum(nil))})
	return nil
}

func send(connection *tls.Conn) error {
	if *data == "" {
		if _, err := io.WriteString(connection, "hello from go\n"); err != nil {
			return err
		}
	} else {
		file, err := os.Open(*data)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := io.Copy(connection, file); err != nil {
			return err
		}
	}
	if *closing == "half" {
		return connection.CloseWrite()
	}
	return nil
}

func groupName(id tls.CurveID) string {
	for name, group := range groups {
		if group == id {
			return name
		}
	}
	return id.String()
}

func print(line report) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}
