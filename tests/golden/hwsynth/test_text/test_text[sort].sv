// sort(v: i32[6])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module sort (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // v: 6 words of i32
    output logic               v_ren,
    output logic [2:0]         v_raddr,
    input  logic signed [31:0] v_rdata,
    output logic               v_wen,
    output logic [2:0]         v_waddr,
    output logic signed [31:0] v_wdata
);
  logic [5:1] last_i;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:75)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last_i[5]) begin
        busy <= 1'b0;
      end
      done <= last_i[5];
    end
  end

  // ----------------- loop i, j: 15 iterations, one begins every 5 cycles, 6 stages (designs.py:76)
  localparam logic [2:0] LAST_PHASE = 3'd4;
  localparam logic [2:0] LAST_I = 3'd4;
  logic               turn_i;
  logic               issue_i;
  logic               i_last;
  logic [2:0]         i_plus_1;
  logic [2:0]         j_last_chosen;
  logic               j_last_at_most;
  logic [3:0]         j_plus_2;
  logic signed [3:0]  n5_minus_i;
  logic [2:0]         phase_i;  // counts the cycles between two iterations
  logic [2:0]         i;
  logic [2:0]         j;
  logic               j_last;
  logic               run_i;    // iterations begin
  logic [5:1]         valid_i;  // the stages that hold an iteration
  logic [2:0]         v_addr;
  logic signed [31:0] v;
  logic               v_gt_v;
  logic [2:0]         j_1;
  logic signed [31:0] v_1;

  assign turn_i = phase_i == LAST_PHASE;
  assign issue_i = run_i && (phase_i == 3'd0);
  assign i_last = i == LAST_I;
  assign i_plus_1 = i + 3'd1;

  // designs.py:75: def sort(v: i32[N]):
  assign j_last_chosen = (accepted || (run_i && turn_i && j_last)) ? (accepted ? 3'd0 : i_plus_1) : i;

  assign j_last_at_most = (4'sd5 - $signed(4'(j_last_chosen))) <= 4'sd1;

  // designs.py:77: for j in range(N - 1 - i):
  assign j_plus_2 = 4'(j) + 4'd2;

  assign n5_minus_i = 4'sd5 - $signed(4'(i));

  always_ff @(posedge clk) begin
    if (rst) begin
      run_i <= 1'b0;
      last_i <= '0;
      valid_i <= '0;
    end else begin
      if (accepted) begin
        run_i <= 1'b1;
      end else if (turn_i && j_last && i_last) begin
        run_i <= 1'b0;
      end
      last_i <= {last_i[4:1], issue_i && j_last && i_last};
      valid_i <= {valid_i[4:1], issue_i};
    end
  end

  // designs.py:76, 77, 78, 79
  always_ff @(posedge clk) begin
    if (accepted) begin
      phase_i <= 3'd0;
      i <= 3'd0;
      j <= 3'd0;
      j_last <= j_last_at_most;
    end else if (run_i) begin
      phase_i <= turn_i ? 3'd0 : phase_i + 3'd1;
      if (turn_i) begin
        if (j_last) i <= i_plus_1;
        j <= j_last ? 3'd0 : j + 3'd1;
        j_last <= j_last ? j_last_at_most : $signed(5'(j_plus_2)) >= 5'(n5_minus_i);
      end
    end
    if (issue_i) v_addr <= j + 3'd1;
    if (valid_i[1]) v <= v_rdata;
    if (valid_i[2]) v_gt_v <= v > v_rdata;
    if (valid_i[4]) j_1 <= j;
    if (valid_i[3]) v_1 <= v_rdata;
  end

  // ----------------------------------------------------------------------------------------- ports
  logic valid5_and_v_gt_v;

  // designs.py:76: for i in range(N - 1):
  assign valid5_and_v_gt_v = valid_i[5] && v_gt_v;

  assign v_raddr = (issue_i || valid_i[3]) ? j : v_addr;
  assign v_ren = issue_i || valid_i[1] || valid_i[2] || valid_i[3];
  assign v_waddr = valid5_and_v_gt_v ? j_1 : v_addr;
  assign v_wdata = valid5_and_v_gt_v ? v_1 : v_rdata;
  assign v_wen = valid5_and_v_gt_v || (valid_i[4] && v_gt_v);
endmodule
