# Send a message by Perl's Net::SMTP, as its documentation has it.
#
# arguments: mode host port cafile name sender recipient message patience [user password]
use strict;
use warnings;
use Net::SMTP;

my ($mode, $host, $port, $cafile, $name, $sender, $recipient, $message, $patience, $user, $password) = @ARGV;
open my $file, '<:raw', $message or die "$message: $!\n";
my @lines = <$file>;
my %tls = (SSL_ca_file => $cafile);
my $client = Net::SMTP->new($host, Port => $port, Hello => $name, Timeout => $patience,
    ($mode eq 'implicit' ? (SSL => 1, %tls) : ()))
    or die "no connection: $@\n";

sub must {
    my ($what, $done) = @_;
    $done or die "$what: " . $client->code . ' ' . $client->message . "\n";
}

if ($mode eq 'starttls-required' or $mode eq 'opportunistic' and defined $client->supports('STARTTLS')) {
    must('STARTTLS', $client->starttls(%tls));
}
must('AUTH', $client->auth($user, $password)) if defined $user;
must('MAIL', $client->mail($sender));
must('RCPT', $client->to($recipient));
must('DATA', $client->data(@lines));
$client->quit;
