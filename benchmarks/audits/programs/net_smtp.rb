# Send a message by Ruby's net-smtp, as its documentation has it.
#
# arguments: mode host port cafile name sender recipient message patience [user password]
require "net/smtp"

mode, host, port, cafile, name, sender, recipient, message, patience, user, password = ARGV
tls = { "implicit" => { tls: true, starttls: false },
        "starttls-required" => { starttls: :always },
        "opportunistic" => { starttls: :auto },
        "none" => { starttls: false } }.fetch(mode)
client = Net::SMTP.new(host, port.to_i, **tls, ssl_context_params: mode == "none" ? nil : { ca_file: cafile })
client.open_timeout = client.read_timeout = patience.to_i
login = user ? { user: user, secret: password, authtype: :plain } : {}
client.start(helo: name, **login) do |session|
  session.send_message(File.binread(message), sender, recipient)
end
