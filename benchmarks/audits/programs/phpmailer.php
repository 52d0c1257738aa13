<?php
// Send a message by PHPMailer, as its documentation has it.
//
// arguments: mode host port cafile name sender recipient subject patience [user password]
use PHPMailer\PHPMailer\PHPMailer;

require 'libphp-phpmailer/src/Exception.php';
require 'libphp-phpmailer/src/PHPMailer.php';
require 'libphp-phpmailer/src/SMTP.php';
if ($argc == 2) {
    exit(PHPMailer::VERSION);
}
[, $mode, $host, $port, $cafile, $name, $sender, $recipient, $subject, $patience] = $argv;
$secure = ['implicit' => PHPMailer::ENCRYPTION_SMTPS, 'starttls-required' => PHPMailer::ENCRYPTION_STARTTLS];
try {
    $mail = new PHPMailer(true);
    $mail->isSMTP();
    $mail->Host = $host;
    $mail->Port = (int) $port;
    $mail->Helo = $name;
    $mail->Timeout = (int) $patience;
    $mail->SMTPSecure = $secure[$mode] ?? '';
    $mail->SMTPAutoTLS = $mode == 'opportunistic';
    $mail->SMTPOptions = ['ssl' => ['cafile' => $cafile]];
    if ($argc == 12) {
        $mail->SMTPAuth = true;
        $mail->Username = $argv[10];
        $mail->Password = $argv[11];
    }
    $mail->setFrom($sender);
    $mail->addAddress($recipient);
    $mail->Subject = $subject;
    $mail->Body = 'A message of the audit.';
    $mail->send();
} catch (\Exception $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
